"""
Close the dialogs and windows that a page opens, and cancel the downloads that it starts.

They are recorded as actions, up to a number of each kind. The file that the address itself returns
is not cancelled. Too many dialogs end the page's scripts, so that what the page shows is captured;
if that does not help, the page is given up.
"""

import asyncio
from collections.abc import Awaitable

from playwright.async_api import Dialog, Download, Page
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.recovery import PageRecovery
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.redaction.redactor import clean_text, clean_url

_URL_CHARACTERS = 500
_WORDS = 200  # characters of a dialog that are kept
_NOTED_DOWNLOADS = 100  # cancelled ones that are named
# For dialogs to end with the scripts: then the page is given up. V8 looks for an order to end
# a loop once in some hundred rounds (459 of `for(;;)alert()`), and each of them is a dialog.
_DIALOG_STORM_S = 30.0
_POPUP_STORM = 10  # times the limit of popups: then the page is given up


class PopupBlocker:
    """Closes dialogs and windows of a page, and cancels its downloads."""

    def __init__(self, page_context: PageContext, recovery: PageRecovery) -> None:
        self._page = page_context.page
        self._guard = page_context.guard
        self._limits = page_context.limits
        self._note = page_context.builder.note
        self._add_reason = page_context.builder.add_reason
        self._recovery = recovery
        self._dialogs = 0
        self._storm_ends = 0.0  # on the loop's clock
        self._popups = 0
        self._cancelled = 0
        self.awaits_target = True  # until there is a document: a download is the address itself
        self.target: Download | None = None  # the address, where it is a file to save
        self.downloads: list[str] = []  # other ones of the page: URLs, as they began
        self._page.context.on("dialog", self._on_dialog)
        self._page.context.on("page", self._on_page)
        self._page.context.on("download", self._on_download)

    async def _on_dialog(self, dialog: Dialog) -> None:
        self._dialogs += 1
        most = self._limits.dialogs
        detail = f"the page opened more than {most} dialogs"
        answers: list[Awaitable[None]] = [_answer(dialog)]
        if self._dialogs <= most:
            answer = "accepted" if dialog.type == "beforeunload" else "dismissed"
            message = clean_text(dialog.message)[:_WORDS]
            self._note("dismiss-dialog", f"{dialog.type}, {answer}: {message}")
        elif self._dialogs == most + 1:
            self._add_reason("dialog-storm", detail)
            self._storm_ends = asyncio.get_running_loop().time() + _DIALOG_STORM_S
            # Side by side: the order to stop waits for the dialog to be answered.
            answers.append(self._recovery.stop_scripts(detail))
        elif asyncio.get_running_loop().time() > self._storm_ends:
            self._guard.lose("dialog-storm", detail)
        await asyncio.gather(*answers)

    async def _on_page(self, popup: Page) -> None:
        if popup is self._page:
            return
        self._popups += 1
        if self._popups <= self._limits.popups:
            self._note("close-popup", "")
        elif self._popups == self._limits.popups + 1:
            self._add_reason(
                "popup-storm",
                f"the page opened more than {self._limits.popups} windows; snapshotter closed all "
                "these windows",
            )
        elif self._popups > self._limits.popups * _POPUP_STORM:
            self._guard.lose("popup-storm", f"the page opened {self._popups} windows")
        try:
            await popup.close()
        except PlaywrightError:
            return  # it closed itself

    async def _on_download(self, download: Download) -> None:
        url = clean_url(download.url)
        if download.page is self._page:
            if self.awaits_target and self.target is None:
                self.target = download
                return
            self.downloads.append(url)
        self._cancelled += 1
        if self._cancelled <= _NOTED_DOWNLOADS:
            self._note("cancel-download", url[:_URL_CHARACTERS])
        try:
            await download.cancel()
        except PlaywrightError:
            return  # the browser had refused it already


async def _answer(dialog: Dialog) -> None:
    """Dismiss a dialog; only leaving the page is accepted."""
    try:
        if dialog.type == "beforeunload":
            await dialog.accept()
        else:
            await dialog.dismiss()
    except PlaywrightError:
        return  # its page went first
