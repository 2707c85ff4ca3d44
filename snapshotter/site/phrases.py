"""
Make the fixture site's pages for the general removal phrases, on hosts without a rule file: notices
of a removal, and texts that only mention a removal.

There are three pages for each language: a notice with status 200, a short article about a removal,
and a list in which one item is removed. Words, people and places are invented.
"""

from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from snapshotter.site.response import Response, document
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What the pages of one language say."""

    lang: str
    notice: str
    detail: str
    headline: str  # of an article about a removal
    article: str
    items: tuple[str, str, str]  # of a list; one of them is removed


SPEECHES: Mapping[str, Speech] = MappingProxyType(
    {
        "en": Speech(
            lang="en",
            notice="This post has been removed by its author",
            detail="Go back to the front page.",
            headline="Ferry company deletes post about late boats",
            article="The post has been removed by its author, the company told this paper. It had "
            "said that two boats would be late on Monday, and was read by four thousand people.",
            items=("The tides in May", "This post has been removed by its author", "New lanterns"),
        ),
        "zh": Speech(
            lang="zh-Hans",
            notice="该内容已被作者删除",
            detail="返回首页",
            headline="渡轮公司删去晚点消息",
            article="渡轮公司昨天说，该内容已被作者删除。原文提到星期一有两班渡轮会晚点，约有四千人读过。",
            items=("五月的潮汐", "该内容已被作者删除", "新的灯笼"),
        ),
        "zh-hant": Speech(
            lang="zh-Hant",
            notice="很抱歉，您所瀏覽的頁面不存在或已被移除",
            detail="返回首頁",
            headline="渡輪公司刪去誤點消息",
            article="渡輪公司昨天表示，頁面已被移除。原文提到星期一有兩班渡輪會誤點，約有四千人讀過。",
            items=("五月的潮汐", "此貼文已被刪除", "新的燈籠"),
        ),
        "de": Speech(
            lang="de",
            notice="Dieser Beitrag wurde vom Verfasser gelöscht",
            detail="Zur Startseite",
            headline="Fährgesellschaft löscht Meldung über Verspätungen",
            article="Der Beitrag wurde vom Verfasser gelöscht, sagte die Gesellschaft der Zeitung. "
            "Darin stand, dass am Montag zwei Fähren später kommen. Viertausend lasen ihn.",
            items=("Gezeiten im Mai", "Dieser Beitrag wurde gelöscht", "Neue Laternen"),
        ),
        "fr": Speech(
            lang="fr",
            notice="Désolé, cette publication a été supprimée par son auteur",
            detail="Retour à l’accueil",
            headline="La compagnie de bacs efface une annonce",
            article="La publication a été supprimée par son auteur, a dit la compagnie. "
            "Elle annonçait que deux bacs auraient du retard lundi. Quatre mille gens l’ont lue.",
            items=("Les marées de mai", "Cette publication a été supprimée", "Lanternes neuves"),
        ),
        "es": Speech(
            lang="es",
            notice="Lo sentimos, esta publicación ha sido eliminada por su autor",
            detail="Volver al inicio",
            headline="La empresa de transbordadores borra un aviso",
            article="La publicación ha sido eliminada por su autor, dijo la empresa a este diario. "
            "Decía que dos barcos llegarían tarde el lunes. La leyeron cuatro mil personas.",
            items=("Mareas de mayo", "Esta publicación ha sido eliminada", "Faroles nuevos"),
        ),
        "ru": Speech(
            lang="ru",
            notice="К сожалению, эта запись удалена автором",
            detail="На главную",
            headline="Паромная компания убрала сообщение об опоздании",
            article="Запись удалена автором, сообщили газете в компании. В ней говорилось, что в "
            "понедельник два парома придут позже. Её прочли четыре тысячи человек.",
            items=("Приливы в мае", "Эта запись удалена", "Новые фонари"),
        ),
        "ja": Speech(
            lang="ja",
            notice="この投稿は投稿者により削除されました",
            detail="トップへ戻る",
            headline="フェリー会社、遅れの知らせを消す",
            article="この投稿は投稿者により削除されました、と会社は本紙に話した。月曜に二便が遅れるという内容で、"
            "四千人が読んでいた。",
            items=("五月の潮", "この投稿は削除されました", "新しい灯り"),
        ),
        "ar": Speech(
            lang="ar",
            notice="عذرًا، تم حذف هذا المنشور من قبل صاحبه",
            detail="العودة إلى الصفحة الرئيسية",
            headline="شركة العبارات تمحو خبر التأخير",
            article="تم حذف المنشور من قبل صاحبه، قالت الشركة لهذه الصحيفة. كان يقول إن عبارتين "
            "ستتأخران يوم الاثنين، وقرأه أربعة آلاف شخص.",
            items=("المد في أيار", "تم حذف هذا المنشور", "فوانيس جديدة"),
        ),
    }
)


def notice(language: str) -> Response:
    """Return a page on which a site says in a sentence that something is gone."""
    speech = SPEECHES[language]
    body = f"<main><h1>{escape(speech.notice)}</h1>\n<p>{escape(speech.detail)}</p></main>\n"
    return document("The Harbour Board", body, lang=speech.lang)


def about(language: str) -> Response:
    """Return a short article about a removal, which quotes what the site says."""
    speech = SPEECHES[language]
    body = f"<main><h1>{escape(speech.headline)}</h1>\n<p>{escape(speech.article)}</p></main>\n"
    return document(speech.headline, body, lang=speech.lang)


def listed(language: str) -> Response:
    """Return a list of posts of which one is removed."""
    speech = SPEECHES[language]
    rows = "".join(f'<div class="row">{escape(item)}</div>\n' for item in speech.items * 2)
    body = f"<main><h1>The Harbour Board</h1>\n{rows}</main>\n"
    return document("The Harbour Board", body, lang=speech.lang)
