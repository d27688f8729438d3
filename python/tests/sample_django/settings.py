from __future__ import annotations

import os
from typing import Any

SECRET_KEY = "x"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "sample_django.urls"
INSTALLED_APPS = ["sendoff.django", "sample_django.shop"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("SHOP_DATABASE", ":memory:")}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
SENDOFF: dict[str, Any] = {
    "SCHEDULES": {
        "stock": {"task": "shop.stock", "cron": "0 3 * * *", "args": ["pen"], "options": {"queue": "night"}},
        "often": {"task": "shop.stock", "every": 60, "args": ["ink"]},
    },
}
