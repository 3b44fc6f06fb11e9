"""Which currencies there are: ISO 4217, and `ACU` for a platform's own credits. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["CREDITS", "CURRENCIES", "is_currency"]

CREDITS: Final = "ACU"
"""AI credit units: what one is worth is said by dated exchange rates in the contracts, like that of any currency."""

_CODES: Final = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND
VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""

CURRENCIES: Final = frozenset(_CODES.split())
"""The currencies in circulation by ISO 4217, November 2026."""


def is_currency(value: object) -> bool:
    """Whether a value is the code of a currency, or of the platform's credits."""
    return value == CREDITS or value in CURRENCIES if isinstance(value, str) else False
