from __future__ import annotations

import sample_web  # noqa: F401  # its tasks, too
import sendoff


@sendoff.task(name="shop.stock", queue="shop")
def stock(name: str) -> int:
    from sample_django.shop.models import Article

    return int(Article.objects.get(name=name).pieces)


@sendoff.task(name="shop.deliver")
def deliver(name: str, fails: bool) -> None:
    from sample_django.shop.models import Article

    Article.objects.create(name=name)
    if fails:
        raise RuntimeError("no room")
