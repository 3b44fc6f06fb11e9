-- Entries from a topic of Kafka in ClickHouse, read by the server itself: run it once, in a database of its own.
--
-- The topic is read at least once; what comes again is the same row of `entries_stored` and goes as parts are merged, and
-- `entries` never shows it. Of a topic that was filled anew `entries` shows the last filling alone. Ask `entries`, and
-- `entries_refused` for what was no entry.

CREATE TABLE entries_topic (message String)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'kafka:9092', kafka_topic_list = 'genai-entries', kafka_group_name = 'genai-cost-clickhouse',
    kafka_format = 'RawBLOB', kafka_num_consumers = 1;

CREATE TABLE entries_stored (
    seq Int64 CODEC(Delta, ZSTD),
    id String CODEC(ZSTD),
    charge_id String CODEC(ZSTD),
    revision Int32 CODEC(ZSTD),
    cause LowCardinality(Nullable(String)),
    cause_id Nullable(String) CODEC(ZSTD),
    occurred DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    booked DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    tenant Nullable(String) CODEC(ZSTD),
    tenant_source LowCardinality(Nullable(String)),
    absent LowCardinality(Nullable(String)),
    initiator LowCardinality(Nullable(String)),
    plan LowCardinality(Nullable(String)),
    feature LowCardinality(Nullable(String)),
    workflow Nullable(String) CODEC(ZSTD),
    agent Nullable(String) CODEC(ZSTD),
    action Nullable(String) CODEC(ZSTD),
    labels Nullable(String) CODEC(ZSTD),
    service LowCardinality(Nullable(String)),
    provider LowCardinality(Nullable(String)),
    model LowCardinality(Nullable(String)),
    operation LowCardinality(Nullable(String)),
    reason LowCardinality(Nullable(String)),
    quality LowCardinality(Nullable(String)),
    calls Int32 CODEC(ZSTD),
    unpriced Int32 CODEC(ZSTD),
    input_tokens Int64 CODEC(ZSTD),
    output_tokens Int64 CODEC(ZSTD),
    usage Nullable(String) CODEC(ZSTD),
    lines Nullable(String) CODEC(ZSTD),
    amount Decimal(38, 18) CODEC(ZSTD),
    currency LowCardinality(String),
    book LowCardinality(Nullable(String)),
    flags LowCardinality(Nullable(String)),
    list_amount Decimal(38, 18) CODEC(ZSTD),
    discount_amount Decimal(38, 18) CODEC(ZSTD),
    markup_amount Decimal(38, 18) CODEC(ZSTD),
    contracts LowCardinality(Nullable(String)),
    price Decimal(38, 18) CODEC(ZSTD),
    price_currency LowCardinality(Nullable(String)),
    refill UInt32 CODEC(ZSTD),
    INDEX entries_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree PARTITION BY (refill, toYYYYMM(occurred))
ORDER BY (toStartOfHour(occurred), tenant, occurred, id)
SETTINGS allow_nullable_key = 1, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE entries_refused (
    at DateTime64(6, 'UTC') DEFAULT now64(6),
    reason String,
    message String
)
ENGINE = MergeTree ORDER BY at;

CREATE VIEW entries AS
SELECT * EXCEPT (refill) FROM entries_stored FINAL
WHERE refill = (SELECT max(refill) FROM entries_stored)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE TABLE entries_read (message String, refused_for String, refill UInt32) ENGINE = Null;

CREATE MATERIALIZED VIEW entries_read_to_refused TO entries_refused AS
SELECT refused_for AS reason, message FROM entries_read WHERE refused_for != '';

CREATE MATERIALIZED VIEW entries_read_to_stored TO entries_stored AS
WITH
    JSONExtractKeysAndValues(message, 'usage', 'Int64') AS leaves,
    arrayFilter(line -> JSONExtractString(line, 'side') = 'cost', JSONExtractArrayRaw(message, 'lines')) AS cost_lines,
    arrayFilter(
        label -> JSONType(message, label) = 'String', ['plan', 'feature', 'workflow', 'agent', 'action']
    ) AS labels_of
SELECT
    JSONExtractInt(message, 'seq') AS seq,
    JSONExtractString(message, 'id') AS id,
    JSONExtractString(message, 'charge_id') AS charge_id,
    JSONExtractInt(message, 'revision') AS revision,
    JSONExtract(message, 'cause', 'Nullable(String)') AS cause,
    JSONExtract(message, 'cause_id', 'Nullable(String)') AS cause_id,
    parseDateTime64BestEffort(JSONExtractString(message, 'occurred'), 6, 'UTC') AS occurred,
    parseDateTime64BestEffort(JSONExtractString(message, 'booked'), 6, 'UTC') AS booked,
    JSONExtract(message, 'tenant', 'Nullable(String)') AS tenant,
    JSONExtract(message, 'tenant_source', 'Nullable(String)') AS tenant_source,
    JSONExtract(message, 'absent', 'Nullable(String)') AS absent,
    JSONExtract(message, 'initiator', 'Nullable(String)') AS initiator,
    JSONExtract(message, 'plan', 'Nullable(String)') AS plan,
    JSONExtract(message, 'feature', 'Nullable(String)') AS feature,
    JSONExtract(message, 'workflow', 'Nullable(String)') AS workflow,
    JSONExtract(message, 'agent', 'Nullable(String)') AS agent,
    JSONExtract(message, 'action', 'Nullable(String)') AS action,
    '{' || arrayStringConcat(arrayMap(label -> '"' || label || '":' || JSONExtractRaw(message, label), labels_of), ',') || '}' AS labels,
    JSONExtract(message, 'service', 'Nullable(String)') AS service,
    JSONExtract(message, 'provider', 'Nullable(String)') AS provider,
    JSONExtract(message, 'model', 'Nullable(String)') AS model,
    JSONExtract(message, 'operation', 'Nullable(String)') AS operation,
    JSONExtract(message, 'reason', 'Nullable(String)') AS reason,
    JSONExtract(message, 'quality', 'Nullable(String)') AS quality,
    JSONExtractInt(message, 'calls') AS calls,
    JSONExtractInt(message, 'unpriced') AS unpriced,
    arraySum(leaf -> if(startsWith(leaf.1, 'input') OR startsWith(leaf.1, 'cache_'), leaf.2, 0), leaves) AS input_tokens,
    arraySum(leaf -> if(leaf.1 IN ('output', 'output_audio', 'output_image', 'reasoning'), leaf.2, 0), leaves) AS output_tokens,
    JSONExtractRaw(message, 'usage') AS usage,
    JSONExtractRaw(message, 'lines') AS lines,
    toDecimal128(JSONExtractString(message, 'amount'), 18) AS amount,
    JSONExtractString(message, 'currency') AS currency,
    JSONExtract(message, 'book', 'Nullable(String)') AS book,
    arrayStringConcat(JSONExtract(message, 'flags', 'Array(String)'), ',') AS flags,
    amount - discount_amount - markup_amount AS list_amount,
    arraySum(line -> if(JSONExtractString(line, 'kind') = 'discount', toDecimal128(JSONExtractString(line, 'amount'), 18), 0), cost_lines) AS discount_amount,
    arraySum(line -> if(JSONExtractString(line, 'kind') = 'markup', toDecimal128(JSONExtractString(line, 'amount'), 18), 0), cost_lines) AS markup_amount,
    JSONExtract(message, 'contracts', 'Nullable(String)') AS contracts,
    toDecimal128(JSONExtractString(message, 'price'), 18) AS price,
    JSONExtract(message, 'price_currency', 'Nullable(String)') AS price_currency,
    refill
FROM entries_read
WHERE refused_for = '';

-- Begins to read, so it comes last.
CREATE MATERIALIZED VIEW entries_topic_to_read TO entries_read AS
WITH
    mapFromArrays(`_headers.name`, `_headers.value`) AS headers,
    arrayMap(line -> JSONExtractString(line, 'amount'), JSONExtractArrayRaw(message, 'lines')) AS line_amounts
SELECT
    message,
    multiIf(
        headers['ce_type'] != 'otel_genai_cost.entry.v1', 'no entry of this version: ' || headers['ce_type'],
        NOT isValidJSON(message), 'no JSON',
        JSONExtractString(message, 'id') != headers['ce_id'], 'the id is not the event''s',
        NOT arrayAll(
            amount -> match(amount, '^-?[0-9]{1,18}([.][0-9]{1,18})?$'),
            arrayConcat(line_amounts, [JSONExtractString(message, 'amount'), JSONExtractString(message, 'price')])
        ), 'an amount is none, or has more than 18 digits before the point',
        NOT arrayAll(
            instant -> match(instant, '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$')
                AND substring(instant, 1, 4) BETWEEN '1970' AND '2105',
            [JSONExtractString(message, 'occurred'), JSONExtractString(message, 'booked')]
        ), 'a time is none, or in no year that ClickHouse has',
        ''
    ) AS refused_for,
    toUInt32OrZero(headers['ce_refill']) AS refill
FROM entries_topic;
