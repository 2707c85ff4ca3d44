"""
Read and write tables of addresses: CSV, TSV, JSON Lines, YAML, or a plain list.

A table is written again with columns added, in the same order, and without changing the user's
cells; a plain list is written as CSV. CSV is RFC 4180 with the deviations of spreadsheets
(semicolons, `sep=`, byte order marks, quoted line ends); TSV is the same with tabs; JSON Lines and
YAML 1.1 keep the spelling of every value. The encoding is given by the byte order mark or by the
caller, and is UTF-8 otherwise; it is never guessed.

In a CSV or TSV, a cell that we add and that a spreadsheet would run as a formula begins with an
apostrophe: titles come from pages, and a page may be hostile.
"""

import codecs
import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from typing_extensions import override

from snapshotter.errors import SnapshotterError
from snapshotter.model.capture_url import complete_url
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    import yaml

FORMATS = ("csv", "tsv", "jsonl", "yaml", "list")
MAX_BYTES = 64 << 20  # of a file
MAX_ROWS = 200_000
MAX_COLUMNS = 2_000  # of a CSV or TSV: each row is written with all of them
URL = "url"  # the column of what has none by a name of its own

_T = TypeVar("_T")
Cell: TypeAlias = str | tuple[str, ...]  # a list is several: the tags of a row in YAML

_SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".list": "list",
    ".ndjson": "jsonl",
    ".tab": "tsv",
    ".tsv": "tsv",
    ".txt": "list",
    ".urls": "list",
    ".yaml": "yaml",
    ".yml": "yaml",
}
_BOMS = (  # a longer one first: that of UTF-32 begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
# What spreadsheets read as the beginning of a formula; the wide ones are typed in East Asia.
_FORMULA = tuple("=+-@\t\r＝＋－＠")
_LINE_END = re.compile(r"\r\n|\n|\r")
_NEWLINE = re.compile(r"\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_DIVIDERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DEPTH = 60  # of what stands inside each other in YAML


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table, as far as a reader has to know it."""

    number: int  # from 1; what is no row (a header, an empty line of a list) does not count
    line: int  # of the file, from 1, in which it begins
    cells: Mapping[str, Cell]  # by column; of two columns with one name, the first
    problem: str = ""  # why it cannot be understood; then it has no cells

    def text(self, column: str) -> str:
        """Return a cell without space around it; "" for one that is not there, or a list."""
        cell = self.cells.get(column, "")
        return cell.strip() if isinstance(cell, str) else ""

    def texts(self, column: str) -> tuple[str, ...]:
        """Return the values of a cell: a list, or a text divided by commas or semicolons."""
        cell = self.cells.get(column, "")
        parts = re.split(r"[,;\n]", cell) if isinstance(cell, str) else cell
        return tuple(word for word in (part.strip() for part in parts) if word)

    @property
    def blank(self) -> bool:
        """Whether nothing but space stands in it."""
        return not self.problem and not any("".join(cell).strip() for cell in self.cells.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedText:
    """A file's bytes as text, and how they become bytes again."""

    text: str  # without its byte order mark
    encoding: str  # that it was read in
    bom: bytes = b""
    line_end: str = "\n"  # of the first line

    def encoded(self, text: str) -> bytes:
        """Return text as bytes; in UTF-8 with a mark if the encoding cannot say everything."""
        # Half a character (a lone surrogate) is in no encoding; in JSON this is its escape.
        if self.encoding.startswith("utf-"):
            return self.bom + text.encode(self.encoding, "backslashreplace")
        return codecs.BOM_UTF8 + text.encode("utf-8", "backslashreplace")


class Table(ABC):
    """A table that was read, and can be written with more in it."""

    format: str  # that it is written in
    columns: tuple[str, ...]  # as they stand, the same name twice where it does
    rows: tuple[Row, ...]
    notes: tuple[str, ...]  # how it was read, where that was not plain: sentences

    @abstractmethod
    def written(self, columns: Sequence[str], values: Sequence[Mapping[str, str]]) -> bytes:
        """
        Return the table with these columns filled; those that it lacks stand behind its own.

        Args:
            values: For each row, by column, what is to stand there; a column that is not
                named keeps what the row has.
        """


def read(
    data: bytes,
    *,
    name: str = "",
    kind: str = "",
    encoding: str = "",
    divider: str = "",
    url_columns: Sequence[str] = (URL,),
) -> Table:
    """
    Read a table.

    Args:
        name: Of the file: its ending says what it is, unless `kind` does.
        kind: One of `FORMATS`; with neither, it is told from the first line.
        encoding: As Python names it; "": what the byte order mark says, or UTF-8.
        divider: Between the cells of a CSV; "": what the header shows.
        url_columns: How the column of addresses may be called; that tells a header.

    Raises:
        SnapshotterError: It cannot be read; it says where.
    """
    if len(data) > MAX_BYTES:
        raise SnapshotterError(
            tr("the table is longer than {max_bytes} MiB", max_bytes=MAX_BYTES >> 20),
            hint=tr("divide the table into several tables"),
        )
    if divider and (len(divider) > 1 or divider in '"\r\n'):
        raise SnapshotterError(
            tr("the divider must be one character, but not a quotation mark or a line break"),
            hint=tr("give another divider, for example --divider ';'"),
        )
    text = _decoded(data, encoding)
    kind = kind or _kind(name, text.text)
    if kind in {"csv", "tsv"}:
        table: Table = _Delimited(text, kind, "\t" if kind == "tsv" else divider, url_columns)
    elif kind == "jsonl":
        table = _Lines(text, url_columns)
    elif kind == "yaml":
        table = _Yaml(text, url_columns)
    elif kind == "list":
        table = _PlainList(text, url_columns)
    else:
        raise SnapshotterError(
            tr("{kind} is not a format of tables", kind=kind),
            hint=tr("give one of these formats: {formats}", formats=", ".join(FORMATS)),
        )
    _require_few(len(table.rows) - 1)
    return table


def _require_few(rows: int) -> None:
    """Refuse one more row than a table may have, before it takes memory."""
    if rows >= MAX_ROWS:
        raise SnapshotterError(
            tr("the table has more than {max_rows:,} rows", max_rows=MAX_ROWS),
            hint=tr("divide the table into several tables"),
        )


def _counted(rows: Iterable[_T]) -> Iterator[_T]:
    for number, row in enumerate(rows):
        _require_few(number - 1)  # one may be the header
        yield row


def _lines_of(text: str, ends: re.Pattern[str]) -> Iterator[str]:
    """Yield the lines of a text with their ends: five million at once take more than the text."""
    at = 0
    for end in ends.finditer(text):
        yield text[at : end.end()]
        at = end.end()
    if at < len(text):
        yield text[at:]


def file_extension(kind: str) -> str:
    """Return how the name of a file of this format ends, its dot included."""
    return ".csv" if kind == "list" else f".{kind}"


def _decoded(data: bytes, encoding: str) -> DecodedText:
    bom, said = next(((mark, name) for mark, name in _BOMS if data.startswith(mark)), (b"", ""))
    used = said or encoding or "utf-8"
    try:
        used = codecs.lookup(used).name
        text = data[len(bom) :].decode(used)
    except LookupError as error:
        raise SnapshotterError(
            tr("the encoding {used} does not exist", used=used),
            hint=tr("use, for example, cp1252, gb18030 or big5"),
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, len(bom) + error.start) + 1
        raise SnapshotterError(
            tr(
                "line {line} is not text in the encoding {used} (byte 0x{object:02x})",
                line=line,
                used=used.upper(),
                object=error.object[error.start],
            ),
            hint=tr(
                "give the encoding of the table, for example --encoding cp1252, gb18030, "
                "big5 or utf-16"
            ),
        ) from error
    except UnicodeError as error:
        raise SnapshotterError(
            tr(
                "the table is not text in the encoding {used}: {error}",
                used=used.upper(),
                error=error,
            )
        ) from error
    found = _LINE_END.search(text)
    return DecodedText(text=text, encoding=used, bom=bom, line_end=found[0] if found else "\n")


def _kind(name: str, text: str) -> str:
    suffix = PurePath(name).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix == ".json":
        raise SnapshotterError(
            tr(
                "{name} is one JSON document, but a table in JSON must have one object on each "
                "line",
                name=name,
            ),
            hint=tr(
                "convert the file into JSON lines:\n  jq -c '.[]' {name} | snapshotter batch "
                "- --format jsonl --out OUT.jsonl",
                name=name,
            ),
        )
    if suffix in {".ods", ".xls", ".xlsx"}:
        raise SnapshotterError(
            tr("{name} is a spreadsheet", name=name), hint=tr("save the spreadsheet as CSV (UTF-8)")
        )
    lines = [
        line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")
    ]
    first = lines[0] if lines else ""
    if first.startswith("{"):
        return "jsonl"
    if "\t" in first:
        return "tsv"
    if ("," in first or ";" in first) and not _ADDRESS.fullmatch(first):
        return "csv"
    if all(_ADDRESS.fullmatch(line) or complete_url(line) != line for line in lines):
        return "list"
    raise SnapshotterError(
        tr("the format of the table cannot be recognised from its name or from its first row"),
        hint=tr("use --format with one of these formats: {formats}", formats=", ".join(FORMATS)),
    )


class _Delimited(Table):
    """CSV and TSV: a header, and rows that may be shorter or longer than it."""

    def __init__(
        self, text: DecodedText, kind: str, divider: str, url_columns: Sequence[str]
    ) -> None:
        self.format = kind
        self._text = text
        body, self._first = text.text, ""
        notes: list[str] = []
        # A spreadsheet's own line about its divider, which no other program knows.
        if found := re.match(r"sep=([^\s\w\"]|\t)(?:\r\n|\n|\r)", body):
            self._first, body = found[0], body[found.end() :]
            divider = divider or found[1]
        if found := re.match(r"(?:[ ]*(?:\r\n|\n|\r))+", body):  # empty lines before the header
            self._first, body = self._first + found[0], body[found.end() :]
        self._divider = divider or self._told(body, url_columns)
        if kind == "csv" and self._divider != ",":
            word = _DIVIDERS.get(self._divider, repr(self._divider))
            notes.append(tr("the divider of the cells is {word}", word=word))
        first_line = 1 + len(_LINE_END.findall(self._first))
        records = list(_counted(self._records(body, first_line=first_line)))
        header, self._given = self._header(records, url_columns)
        if self._given:
            records = records[1:]
        elif records:
            notes.append(
                tr(
                    "the first row contains an address, so the table has no header row; the "
                    "table of results gets a header row"
                )
            )
        width = max([len(header), *(len(cells) for _, cells in records)])
        if width > MAX_COLUMNS:
            wide = next((n for n, cells in records if len(cells) == width), 1)
            raise SnapshotterError(
                tr(
                    "line {wide} has {width} cells, but a table has at most {max_columns} columns",
                    wide=wide,
                    width=width,
                    max_columns=MAX_COLUMNS,
                ),
                hint=tr(
                    "check whether a line end is missing, or give another divider with --divider"
                ),
            )
        header += [""] * (width - len(header))  # cells beyond it stay where they are
        self.columns = tuple(header)
        twice = sorted(name for name, count in Counter(header).items() if name and count > 1)
        if twice:
            notes.append(
                tr(
                    "several columns have the same name, and only the first of these columns "
                    "is used: {twice}",
                    twice=", ".join(twice),
                )
            )
        self._cells = [cells for _, cells in records]
        self.rows = tuple(
            Row(number=number, line=line, cells=_by_name(header, cells))
            for number, (line, cells) in enumerate(records, start=1)
        )
        self.notes = tuple(notes)

    def _told(self, body: str, url_columns: Sequence[str]) -> str:
        """Return what divides the cells: by what the header has a column of addresses."""
        wanted = {column.lower() for column in url_columns}
        for divider in ",;\t":
            try:
                header = next(csv.reader(_lines_of(body, _LINE_END), delimiter=divider), [])
            except csv.Error:
                continue
            if wanted & {name.strip().lower() for name in header} and len(header) > 1:
                return divider
        return ","

    def _records(self, body: str, *, first_line: int) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(_lines_of(body, _LINE_END), delimiter=self._divider, strict=True)
        line = first_line
        try:
            for cells in reader:
                yield line, cells
                line = reader.line_num + first_line
        except csv.Error as error:
            raise SnapshotterError(
                tr(
                    "the row that begins in line {line} is not valid {format}: {error}",
                    line=line,
                    format=self.format.upper(),
                    error=error,
                ),
                hint=tr("check whether a closing quotation mark is missing in this row"),
            ) from error

    def _header(
        self, records: list[tuple[int, list[str]]], url_columns: Sequence[str]
    ) -> tuple[list[str], bool]:
        first = records[0][1] if records else []
        place = next((n for n, cell in enumerate(first) if _ADDRESS.match(cell.strip())), None)
        if place is None:
            place = _place_without_scheme([cells for _, cells in records], url_columns)
        if place is None:
            return list(first), bool(records)
        header = [f"column {number}" for number in range(1, len(first) + 1)]
        header[place] = url_columns[0]
        return header, False

    @override
    def written(self, columns: Sequence[str], values: Sequence[Mapping[str, str]]) -> bytes:
        header = list(self.columns)
        place = {name: header.index(name) for name in columns if name in header}
        added = [name for name in columns if name not in place]
        width = len(header)
        out = io.StringIO(newline="")
        out.write(self._first)
        writer = csv.writer(out, delimiter=self._divider, lineterminator=self._text.line_end)
        writer.writerow([*header, *map(safe_cell, added)])
        for cells, ours in zip(self._cells, values, strict=True):
            if not ours and not any(cells):
                writer.writerow(cells)  # an empty line stays one
                continue
            row = [*cells, *[""] * (width - len(cells))]
            for name, number in place.items():
                if name in ours:
                    row[number] = safe_cell(ours[name])
            writer.writerow([*row, *(safe_cell(ours.get(name, "")) for name in added)])
        return self._text.encoded(out.getvalue())


def _place_without_scheme(rows: Sequence[Sequence[str]], url_columns: Sequence[str]) -> int | None:
    """
    Return the column whose address in the first row has no scheme; None: the row is a header.

    The name of a column may look like a host, for example `page.url`. Then the next rows have
    addresses with a scheme.
    """
    first = rows[0] if rows else ()
    if {column.lower() for column in url_columns} & {cell.strip().lower() for cell in first}:
        return None
    for place, cell in enumerate(first):
        text = cell.strip()
        if complete_url(text) == text:
            continue
        others = [row[place].strip() for row in rows[1:] if place < len(row)]
        if "/" in text or not any(map(_ADDRESS.match, others)):
            return place
    return None


def safe_cell(text: str) -> str:
    """
    Return a text as a cell on one line that no spreadsheet takes for a formula.

    Control characters become a space; `=1+1` becomes `'=1+1`.
    """
    text = _CONTROL.sub(" ", text).strip()
    return f"'{text}" if text.startswith(_FORMULA) else text


class _PlainList(_Delimited):
    """A plain list, one address a line, `#` for remarks. It is written as CSV."""

    def __init__(self, text: DecodedText, url_columns: Sequence[str]) -> None:
        self.format = "csv"
        self._text, self._first, self._divider = text, "", ","
        self.columns = (url_columns[0],)
        found = [
            (line, cell.strip())
            for line, cell in _counted(
                (line, cell)
                for line, cell in enumerate(_lines_of(text.text, _LINE_END), start=1)
                if cell.strip() and not cell.lstrip().startswith("#")
            )
        ]
        self._cells = [[url] for _, url in found]
        self.rows = tuple(
            Row(number=number, line=line, cells={url_columns[0]: url})
            for number, (line, url) in enumerate(found, start=1)
        )
        self.notes = ()


class _Lines(Table):
    """JSON Lines: an object a line, or only an address. Every value keeps its spelling."""

    def __init__(self, text: DecodedText, url_columns: Sequence[str]) -> None:
        self.format = "jsonl"
        self._text = text
        self._lines: list[tuple[str, list[tuple[str, str]] | None]] = []  # None: not understood
        rows: list[Row] = []
        names: dict[str, None] = {}
        for line, raw in enumerate(_lines_of(text.text, _NEWLINE), start=1):
            raw = raw.rstrip("\r\n")
            if not raw.strip():
                continue
            _require_few(len(rows))
            members: list[tuple[str, str]] | None = None
            cells: dict[str, Cell] = {}
            problem = ""
            try:
                value = json.loads(raw)
                if isinstance(value, str):
                    members, cells = [(url_columns[0], raw.strip())], {url_columns[0]: value}
                elif isinstance(value, dict):
                    members = list(_members(raw))
                    if len({name for name, _ in members}) < len(members):
                        problem = tr("this object contains a name twice")
                    cells = {name: _cell(cell_value) for name, cell_value in value.items()}
                else:
                    problem = tr("this line is neither a JSON object nor a JSON text")
            except (ValueError, RecursionError) as error:
                problem = tr("this line is not valid JSON: {error}", error=error)
            names |= dict.fromkeys(cells)
            self._lines.append((raw, members))
            rows.append(
                Row(
                    number=len(rows) + 1,
                    line=line,
                    cells={} if problem else cells,
                    problem=problem,
                )
            )
        self.columns, self.rows, self.notes = tuple(names), tuple(rows), ()

    @override
    def written(self, columns: Sequence[str], values: Sequence[Mapping[str, str]]) -> bytes:
        out = []
        for (raw, members), ours in zip(self._lines, values, strict=True):
            if members is None:
                out.append(raw)  # what is no object cannot have more in it
                continue
            mine = {name: json.dumps(ours[name], ensure_ascii=False) for name in ours}
            kept = [(name, mine.pop(name, text)) for name, text in members]
            kept += [(name, mine[name]) for name in columns if name in mine]
            out.append(
                "{"
                + ", ".join(
                    f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in kept
                )
                + "}"
            )
        return self._text.encoded("".join(line + self._text.line_end for line in out))


_SPACE = re.compile(r"[ \t\n\r]*")


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the members of a JSON object that was found to be one, each value as it is spelt."""
    decode = json.JSONDecoder().raw_decode
    end = _after_space(text, 0) + 1  # "{"
    while text[end := _after_space(text, end)] != "}":
        name, end = decode(text, end)
        begin = _after_space(text, _after_space(text, end) + 1)  # ":"
        _, end = decode(text, begin)
        yield name, text[begin:end]
        end = _after_space(text, end)
        if text[end] == ",":
            end += 1


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _cell(value: Any) -> Cell:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(entry, str | int | float) for entry in value):
        return tuple(map(str, value))
    return json.dumps(value, ensure_ascii=False)


class _Yaml(Table):
    """
    A YAML list of addresses or of mappings.

    Its nodes are kept and written again, so that `1.10` and `'12'` stay what they are.
    Remarks are lost. Anchors are refused: what is shared cannot be filled row by row.
    """

    def __init__(self, text: DecodedText, url_columns: Sequence[str]) -> None:
        import yaml

        self.format = "yaml"
        self._text = text
        self._loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        self._url = url_columns[0]
        try:
            self._look_through(text.text)
            root = yaml.compose(text.text, Loader=self._loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"line {mark.line + 1}: " if mark is not None else ""
            raise SnapshotterError(
                tr(
                    "{where}the table is not valid YAML: {problem}",
                    where=where,
                    problem=error.problem,
                )
            ) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise SnapshotterError(
                tr("the table is not valid YAML: {error}", error=error)
            ) from error
        if root is not None and not isinstance(root, yaml.SequenceNode):
            raise SnapshotterError(
                tr("the YAML table is not a list"),
                hint=tr("begin each row with a dash: - url: https://…"),
            )
        self._root = root
        rows: list[Row] = []
        names: dict[str, None] = {}
        for node in root.value if root is not None else ():
            cells, problem = self._understood(node)
            names |= dict.fromkeys(cells)
            rows.append(
                Row(
                    number=len(rows) + 1,
                    line=_line(node),
                    cells=cells,
                    problem=problem,
                )
            )
        self.columns, self.rows, self.notes = tuple(names), tuple(rows), ()

    def _look_through(self, text: str) -> None:
        import yaml

        depth = rows = 0
        for event in yaml.parse(text, Loader=self._loader):
            if isinstance(event, yaml.AliasEvent):
                raise SnapshotterError(
                    tr(
                        "line {line}: the YAML table contains an alias (*{anchor}), which is not "
                        "allowed",
                        line=_line(event),
                        anchor=event.anchor,
                    ),
                    hint=tr("write the value itself in place of the alias"),
                )
            if depth == 1 and isinstance(event, yaml.NodeEvent):
                _require_few(rows)
                rows += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                raise SnapshotterError(
                    tr("the lists or mappings in the YAML table are nested too deeply")
                )

    def _understood(self, node: "yaml.Node") -> tuple[dict[str, Cell], str]:
        import yaml

        if isinstance(node, yaml.ScalarNode):
            return {self._url: _scalar(node)}, ""
        if not isinstance(node, yaml.MappingNode):
            return {}, tr("this row is neither an address nor a mapping of column names to values")
        cells: dict[str, Cell] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                return {}, tr("this row has a column name that is not text")
            if key.value in cells:
                return {}, tr("this row contains the column name {value} twice", value=key.value)
            if isinstance(value, yaml.ScalarNode):
                cells[key.value] = _scalar(value)
            elif isinstance(value, yaml.SequenceNode):
                parts = [_scalar(node) for node in value.value if isinstance(node, yaml.ScalarNode)]
                cells[key.value] = tuple(parts)
            else:
                cells[key.value] = "…"  # it is kept, and nobody reads it
        return cells, ""

    @override
    def written(self, columns: Sequence[str], values: Sequence[Mapping[str, str]]) -> bytes:
        import yaml

        filled = [
            self._filled(node, columns, ours)
            for node, ours in zip(self._root.value if self._root else (), values, strict=True)
        ]
        tag = "tag:yaml.org,2002:seq"
        text = yaml.serialize(
            yaml.SequenceNode(tag, filled, flow_style=False),
            Dumper=self._dumper,
            allow_unicode=True,
            width=1 << 20,
            line_break=self._text.line_end,
        )
        return self._text.encoded(text)

    def _filled(
        self, node: "yaml.Node", columns: Sequence[str], ours: Mapping[str, str]
    ) -> "yaml.Node":
        import yaml

        if not ours:
            return node
        members: list[tuple[yaml.Node, yaml.Node]]
        if isinstance(node, yaml.ScalarNode):
            members = [(_string(self._url), node)]
        elif isinstance(node, yaml.MappingNode):
            members = node.value
        else:
            return node
        left = dict(ours)
        kept: list[tuple[yaml.Node, yaml.Node]] = []
        for key, value in members:
            mine = left.pop(key.value, None) if isinstance(key, yaml.ScalarNode) else None
            kept.append((key, value if mine is None else _string(mine)))
        kept += [(_string(name), _string(left[name])) for name in columns if name in left]
        return yaml.MappingNode("tag:yaml.org,2002:map", kept, flow_style=False)


def _scalar(node: "yaml.ScalarNode") -> str:
    return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)


def _line(found: "yaml.Node | yaml.Event") -> int:
    return found.start_mark.line + 1 if found.start_mark is not None else 0


def _string(text: str) -> "yaml.ScalarNode":
    import yaml

    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return yaml.ScalarNode("tag:yaml.org,2002:str", whole)


def _by_name(header: Sequence[str], cells: Sequence[str]) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    for name, cell in zip(header, cells, strict=False):
        found.setdefault(name, cell)
    return found
