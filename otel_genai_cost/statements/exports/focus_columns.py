"""The columns of FOCUS that a statement fills, and what with: the profile of 1.2, and that of 1.4 beside it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

__all__ = ["COLUMNS", "VERSIONS", "Column", "Version", "columns_of"]

Version: TypeAlias = Literal["1.2", "1.4"]
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)

ColumnKind: TypeAlias = Literal["text", "time", "money", "quantity", "integer"]
"""`money` has 18 decimal places, unit prices too; `quantity` has 6."""

_BOTH: Final[tuple[Version, ...]] = ("1.2", "1.4")
_OLD: Final[tuple[Version, ...]] = ("1.2",)
_NEW: Final[tuple[Version, ...]] = ("1.4",)


class Column(NamedTuple):
    """One column.

    Attributes:
        name: as FOCUS has it, or with `x_` a column of ours.
        kind: of its values.
        meaning: what of a statement it is filled with; for the documentation.
        versions: the versions whose profile has it.
    """

    name: str
    kind: ColumnKind
    meaning: str
    versions: tuple[Version, ...] = _BOTH


COLUMNS: Final = (
    Column("BillingAccountId", "text", "the tenant; `(unattributed)` or `(system)` without one"),
    Column("BillingAccountName", "text", "its name in the registry, else the id"),
    Column("BillingAccountType", "text", "`Tenant`"),
    Column("SubAccountId", "text", "the team, feature or plan, where the statement is of one"),
    Column("SubAccountName", "text", "the same"),
    Column("SubAccountType", "text", "`Team`, `Feature` or `Plan`"),
    Column("InvoiceId", "text", "the statement's number"),
    Column("InvoiceDetailId", "text", "the number of the statement's line", _NEW),
    Column("InvoiceIssuerName", "text", "`name` of the issuer"),
    Column("ProviderName", "text", "the issuer: it is who sells", _OLD),
    Column("PublisherName", "text", "the provider of the model, else the issuer", _OLD),
    Column("ServiceProviderName", "text", "the issuer: it is who sells", _NEW),
    Column("HostProviderName", "text", "the provider of the model, else the issuer", _NEW),
    Column("BillingPeriodStart", "time", "`period_from`, UTC"),
    Column("BillingPeriodEnd", "time", "`period_to`, UTC"),
    Column(
        "ChargePeriodStart", "time", "the beginning of the day, in the statement's zone, as UTC"
    ),
    Column("ChargePeriodEnd", "time", "its end; 23 or 25 hours later where a clock is changed"),
    Column("ServiceCategory", "text", "`AI and Machine Learning`"),
    Column("ServiceSubcategory", "text", "`Generative AI`"),
    Column("ServiceName", "text", "`service` of the issuer"),
    Column(
        "ChargeCategory", "text", "`Usage`; `Credit` or `Adjustment` for what no usage explains"
    ),
    Column("ChargeClass", "text", "`Correction` from the second revision on"),
    Column("ChargeDescription", "text", "the line's product, or what the adjustment is for"),
    Column("ChargeFrequency", "text", "`Usage-Based`; `One-Time` for adjustments"),
    Column("SkuId", "text", "`provider/model/leaf`, or the product of a line without a model"),
    Column("SkuMeter", "text", "the leaf in words, `Input Tokens`"),
    Column("SkuPriceId", "text", "the SKU, the contracted unit price and its unit"),
    Column("SkuPriceDetails", "text", "empty"),
    Column("PricingCategory", "text", "`Standard`"),
    Column("PricingQuantity", "quantity", "the quantity in `PricingUnit`"),
    Column("PricingUnit", "text", "`1000000 Tokens`, `Requests`, `Seats`"),
    Column(
        "ListUnitPrice", "money", "as the contracted one; under a plan, what calls cost without it"
    ),
    Column("ContractedUnitPrice", "money", "the cost for one `PricingUnit` on that day"),
    Column("ConsumedQuantity", "quantity", "tokens, requests, seats: as counted"),
    Column("ConsumedUnit", "text", "of them"),
    Column("CommitmentDiscountStatus", "text", "empty", _OLD),
    Column("ListCost", "money", "likewise"),
    Column("ContractedCost", "money", "as billed"),
    Column("BilledCost", "money", "exact; the rows of a statement add up to its `total`"),
    Column("EffectiveCost", "money", "as billed"),
    Column("BillingCurrency", "text", "the statement's; the issuer's for a statement in credits"),
    Column("PricingCurrency", "text", "the statement's: a currency, or credits (`ACU`)"),
    Column("PricingCurrencyListUnitPrice", "money", "in it"),
    Column("PricingCurrencyContractedUnitPrice", "money", "in it"),
    Column("PricingCurrencyEffectiveCost", "money", "in it; adds up to `total` in credits too"),
    Column(
        "AllocatedMethodId",
        "text",
        "`spread-by-` and the rule, of lines that spread what is nobody's; else empty",
        _NEW,
    ),
    Column("AllocatedMethodDetails", "text", "of them: the part that the statement bears", _NEW),
    Column("AllocatedResourceId", "text", "of them: the tenant that bears it", _NEW),
    Column("AllocatedResourceName", "text", "its name", _NEW),
    Column("AllocatedTags", "text", "empty", _NEW),
    Column("x_StatementDigest", "text", "`digest`"),
    Column("x_StatementRevision", "integer", "`revision`"),
    Column("x_StatementState", "text", "`state`"),
    Column("x_StatementLine", "integer", "the number of the line, from 1"),
    Column("x_StatementUnpriced", "integer", "calls of the period that have no price and no row"),
    Column("x_StatementGaps", "integer", "records of the journal that are proved to be missing"),
)


def columns_of(version: Version) -> tuple[Column, ...]:
    """The columns of a version's profile, in their order."""
    return tuple(column for column in COLUMNS if version in column.versions)
