from __future__ import annotations

from django.db import models


class Article(models.Model):
    name = models.CharField(max_length=50)
    pieces = models.IntegerField(default=0)
    task = models.CharField(max_length=50, default="")
