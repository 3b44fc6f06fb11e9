"""Reads an Iceberg table through a REST catalog and a Delta table where it lies, has both compacted, and reads them
again; what it found is its last line. A Python that has PySpark runs it."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any, Final

_SUMS: Final = """
    SELECT CAST(to_date(occurred) AS STRING), count(*), CAST(sum(amount) AS STRING)
    FROM {} GROUP BY to_date(occurred)
"""


def _session(jars: str, catalog: str) -> Any:
    settings = {
        "spark.jars": jars,
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
        "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "rest",
        "spark.sql.catalog.lake.uri": catalog,
        "spark.sql.catalog.lake.io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
    }
    builder = import_module("pyspark.sql").SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def main(jars: str, catalog: str, delta: str) -> None:
    """Print what both tables have, before and after they are compacted."""
    spark = _session(jars, catalog)
    spark.sql(f"CREATE TABLE entries USING DELTA LOCATION '{delta}'")
    names = {"iceberg": "lake.genai_cost.entries", "delta": "entries"}
    before = {kind: _sums(spark, name) for kind, name in names.items()}
    spark.sql(
        "CALL lake.system.rewrite_data_files(table => 'genai_cost.entries', options => map('rewrite-all', 'true'))"
    )
    spark.sql(
        "CALL lake.system.expire_snapshots(table => 'genai_cost.entries', older_than => now(), retain_last => 1)"
    )
    spark.sql("OPTIMIZE entries")
    spark.sql("VACUUM entries")
    after = {kind: _sums(spark, name) for kind, name in names.items()}
    snapshots = spark.sql("SELECT count(*) FROM lake.genai_cost.entries.snapshots").collect()[0][0]
    spark.stop()
    print(json.dumps({"before": before, "after": after, "snapshots": snapshots}))


def _sums(spark: Any, name: str) -> list[list[Any]]:
    return [list(row) for row in spark.sql(_SUMS.format(name)).collect()]


if __name__ == "__main__":
    main(*sys.argv[1:])
