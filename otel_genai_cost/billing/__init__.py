"""How quantities reach billing systems, each of them once."""
