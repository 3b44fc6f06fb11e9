"""Settings of the Django application: the instrumentation wants them before it is imported."""

ROOT_URLCONF = "tests.edges.django_app"
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "not secret"
