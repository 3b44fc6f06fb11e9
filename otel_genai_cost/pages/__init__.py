"""The live pages: `genai-cost serve`. Server-rendered; every figure is what `reports` gives on the pages' own copy.

To add a page:

1. `views/<name>.py` with `view(data: Data, asked: Asked, viewer: Viewer) -> View`. It reads `data.figures`, a store
   that `reports.tables.report` and its like work on, with the same entries for every query of one request, and opens
   what else it needs with `data`. The calls it speaks of are `asked.selection`, which is
   narrowed to what the viewer may see already, and nothing else. What it
   gives back is a template, the template's values, and the table that `?format=csv` shows. It knows nothing of HTTP, so
   that tests call it. A page that is not there is `MissingPageError`, a value that cannot be used `ConfigurationError`.
2. `templates/<name>.html`, which extends `shell.html`: blocks `title` and `main`. Everything is escaped. No inline
   script and no inline style; names that came from outside pass through the filter `shown`, amounts through `exact` or
   `round`, and links are made by `asked.link(path, name=value)`, which keeps the period, the zone and the filters.
3. One line in `routes.ROUTES`: its path, its view, its title in the navigation, and the roles that may see it.
"""
