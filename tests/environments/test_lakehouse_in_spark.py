"""Spark reads Iceberg and Delta tables of ours, and compacts them, in an environment of PySpark's own."""

from __future__ import annotations

import shutil

import pytest

from tests.environments.made import interpreter, python_with
from tests.environments.test_lakehouse import in_lakehouse
from tests.lakehouse.environment import KEPT
from tests.streams.java import jars_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]


def test_spark_reads_and_compacts_tables() -> None:
    jars = jars_of("spark-4.0.1")
    assert shutil.which("java")
    made_with = interpreter("3.11") or interpreter("3.12")
    assert made_with, "PySpark 4.0 knows Python up to 3.13"
    python = python_with(KEPT, "pyspark == 4.0.1", "setuptools < 81", ours=None, python=made_with)
    in_lakehouse("tests/lakehouse/test_spark.py", SPARK_PYTHON=str(python), SPARK_JARS=str(jars))
