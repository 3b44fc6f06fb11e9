"""Tables of the lakehouse: Parquet files under Iceberg or Delta, which warehouses and engines read where they lie."""
