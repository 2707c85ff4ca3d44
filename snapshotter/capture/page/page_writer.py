"""Write what a page shows to the spool: its MHTML, document, layout, text and form values."""

import asyncio

from snapshotter.capture.browser.result_files import receive_text
from snapshotter.capture.page import clock_checks
from snapshotter.capture.page.blocks import DocumentRead, read_page
from snapshotter.capture.page.text import PageText, read_text
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.redaction.redactor import clean_mhtml
from snapshotter.capture.spool import encode_utf8
from snapshotter.capture.steps import StepEnd
from snapshotter.formats.page import form_values
from snapshotter.model.capture import StepState

_PRIVATE = "Private_Use"  # the script of characters that mean what a page's own font makes of them
_TIMES_IN = 4 << 20  # characters of a document that are looked through for its server's time


class PageWriter:
    """Writes what one page says to the spool. Each method is the body of a step."""

    def __init__(self, page_context: PageContext) -> None:
        self._page_context = page_context
        self._worlds = page_context.worlds
        self._builder = page_context.builder
        self._spool = page_context.spool
        self._limits = page_context.limits

    async def mhtml(self) -> None:
        """Write the page as MHTML, as the browser saves it."""
        results = self._page_context.browser.workspace.results
        text = await self._page_context.guard.call(
            "MHTML",
            receive_text(
                self._page_context.session, results, "Page.captureSnapshot", {"format": "mhtml"}
            ),
            self._limits.mhtml_s,
        )
        data = await asyncio.to_thread(lambda: encode_utf8(clean_mhtml(text)))
        await asyncio.to_thread(
            self._spool.write, "capture/page.mhtml", "multipart/related", data, step="mhtml"
        )

    async def document(self) -> StepEnd | str | None:
        """Write the main frame's document and its layout; return the number of text blocks."""
        read = await read_page(self._worlds, limit_s=self._limits.step_s)
        self._builder.page_times = await asyncio.to_thread(
            clock_checks.find_page_times, read.html[:_TIMES_IN]
        )
        await asyncio.to_thread(self._write_document, read)
        if read.failure:
            self._builder.log("layout", f"the layout was not kept: {read.failure}")
        return f"blocks of text: {len(read.layout.blocks)}"

    def _write_document(self, read: DocumentRead) -> None:
        from snapshotter.formats.page import layout

        self._spool.write(
            "capture/dom.html", "text/html", encode_utf8(read.html), step="dom",
            note="the main frame's document after scripts ran, as UTF-8",
        )  # fmt: skip
        self._spool.write(
            layout.PATH, "application/json", layout.encode(read.layout), step="dom",
            note="the text of the page in blocks, with the position of each",
        )  # fmt: skip

    async def text(self) -> StepEnd | str | None:
        """Write the text of all frames: as laid out, normalised, and hidden."""
        read = await read_text(self._worlds, limit_s=self._limits.step_s)
        self._builder.text = read.text
        self._builder.missing = read.missing
        self._builder.missing_glyphs = read.glyphs
        await asyncio.to_thread(self._write_text, read)
        found = {
            glyphs.script: f"{glyphs.script} ({glyphs.count}: {glyphs.characters})"
            for glyphs in read.glyphs
        }
        private = found.pop(_PRIVATE, "")
        if found:
            self._builder.add_reason(
                "missing-glyphs",
                f"no installed font has these characters: {', '.join(found.values())}",
            )
        if private:
            self._builder.warn(
                "private-glyphs",
                f"no font of the page has these characters: {private}; no installed font can have "
                "these characters, and the pictures show boxes instead",
            )
        if read.missing:
            self._builder.add_reason("text-incomplete", "; ".join(read.missing[:5]))
            return StepEnd(StepState.PARTIAL, f"missing parts of the text: {len(read.missing)}")
        return f"characters: {len(read.text)}"

    def _write_text(self, read: PageText) -> None:
        from snapshotter.formats.page.plain_text import normalise_text

        if read.forms:
            self._spool.write(
                form_values.PATH, "application/jsonl",
                form_values.encode(read.forms, salt=self._page_context.recorder.new_salt()),
                step="text", note="the values of form controls, without passwords",
            )  # fmt: skip
        for name, content, note in (
            ("page.txt", read.text, "the text as laid out, of all frames and shadow trees"),
            (
                "page-normalised.txt",
                normalise_text(read.text),
                "the text of page.txt in a form for search and comparison: characters normalised "
                "by NFKC, white space joined; the text is not verbatim",
            ),
            (
                "page-hidden.txt",
                read.hidden,
                "the text in the documents that is hidden from a reader",
            ),
        ):
            if content or name == "page.txt":
                self._spool.write(
                    f"capture/{name}", "text/plain", encode_utf8(content), step="text", note=note
                )
