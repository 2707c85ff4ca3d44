"""A search finds what a plain scan of all texts finds, in every script, and nothing else."""

import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshotter.index import search as search_module
from snapshotter.index.open_index import open_index_file
from snapshotter.index.query import InvalidQuery, Region, matches, parse
from snapshotter.index.tokens import Searched, find, normalise, piece_query, tokens
from snapshotter.index.values import BundleFacts, JobFacts
from snapshotter.model.annotation_state import CaptureState, CaseState, Decision, Note
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.takedown import Observation
from tests.cases import in_one_test
from tests.fuzzing import tries
from tests.searched import Library, bundle_id

AT = datetime(2026, 11, 24, 16, tzinfo=UTC)
# One text for each capture; queries of every language meet texts of every other.
TEXTS = (
    "有人传播谣言，政府网信办说这是谣言。",
    "中华人民共和国网络安全法",
    "言论自由不是谣\n言",  # a line break between the two characters
    "日本語のニュースをカタカナで読む。ｶﾞﾗｽ",
    "東京の政府は「噂」を否定した",
    "한국어 뉴스에서 소문을 부인했다",
    "ข่าวลือในภาษาไทยถูกลบ",
    "ข่าวไทย ๒๕๖๙",
    "أُزِيلَ المقالُ مِنَ المَوْقِعِ، وكـــتاب آخَر",
    "ازيل المقال من الموقع",
    "A rumour, two rumors, the Rumor mill; don’t panic – it’s over.",
    "rumor\u00ad has it that the great  firewall was rebuilt",
    "重跑gen-itgc后，CPU是90%，版本v2.0",
    "删除了 the article 并道歉",
    "👍🏽 通过 😀😀 ❤️",
    "𠮷野家と𪚥",
    "слухи и слух, covid19 и B2B",
    "नमस्ते दुनिया, हिन्दी समाचार",
    "Straße ＦＵＬＬＷＩＤＴＨ ﬁnance İstanbul",
    "emoji 👨‍👩‍👧 family",
    "Khmer: សួស្តីពិភពលោក Lao: ສະບາຍດີ Burmese: မင်္ဂလာပါ",
    "Et\u00e9 e\u0301te\u0301 co\u2011op \u202e1,000\u202c m\u00b2 ΣΊΣΥΦΟΣ ｱﾊﾟｰﾄ น้ำ אֶרֶץ <b> =1+1",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_index_file(tmp_path_factory.mktemp("index") / "index.db") as index:
        made = Library(index)
        for text in TEXTS:
            made.add(text)
        made.sync()
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Library]:
    with open_index_file(tmp_path / "index.db") as index:
        yield Library(index)


def anywhere(query: str) -> list[str]:
    """Return the captures whose text contains the query, by a plain scan."""
    wanted = normalise(query)
    return [bundle_id(number) for number, text in enumerate(TEXTS) if wanted in normalise(text)]


def whole_word(query: str) -> list[str]:
    """Return the captures that have the query as whole words, by a plain scan."""
    word = re.compile(rf"(?<!\w){re.escape(normalise(query))}(?!\w)")
    return [bundle_id(number) for number, text in enumerate(TEXTS) if word.search(normalise(text))]


@in_one_test(
    ("query", "count"),
    [
        ("谣言", 1),
        ("谣", 2),
        ("言", 2),
        ("网", 2),
        ("政府", 2),
        ("中华人民共和国", 1),
        ("民共和", 1),
        ("噂", 1),
        ("ニュース", 1),
        ("ガラス", 1),  # written in half width
        ("カタ", 1),
        ("の", 2),
        ("뉴스", 1),
        ("뉴", 1),
        ("소문을", 1),
        ("ข่าว", 2),
        ("ข่าวลือ", 1),
        ("ไทย", 2),
        ("เขียน", 0),
        ("👍", 1),
        ("😀", 1),
        ("😀😀", 1),
        ("❤", 1),
        ("👨", 1),
        ("𠮷", 1),
        ("𠮷野", 1),
        ("𪚥", 1),
        ("后", 1),
        ("សួស្តី", 1),
        ("ສະບາຍ", 1),
        ("မင်္ဂလာ", 1),
        ("アパート", 1),  # half width, with marks of their own
        ("น\u0e49\u0e4d\u0e32", 1),  # one vowel in two parts
    ],
)
def test_texts_without_spaces_are_found_anywhere(library: Library, query: str, count: int) -> None:
    assert library.found(query) == anywhere(query)
    assert len(library.found(query)) == count


@in_one_test(
    ("query", "count"),
    [
        ("rumor", 2),
        ("RUMORS", 1),
        ("rumo", 0),
        ("rumour", 1),
        ('"great firewall"', 1),
        ('"great fire"', 0),
        ('"don\'t panic"', 1),
        ("“don’t”", 1),
        ("слух", 1),
        ("covid19", 1),
        ("covid", 0),
        ("b2b", 1),
        ("90%", 0),  # by itself it is a word; in the text a character of a script precedes it
        ("المقال", 2),
        ("الموقع", 2),
        ("المَوْقِع", 2),
        ("آخر", 1),
        ("اخر", 1),
        ("كتاب", 0),  # part of a word with the conjunction
        ("وكتاب", 1),
        ("أزيل", 2),
        ("हिन्दी", 1),
        ("हिन्", 0),
        ("strasse", 1),
        ("fullwidth", 1),
        ("finance", 1),
        ("article", 1),
        ("istanbul", 1),
        ("İSTANBUL", 1),
        ("ıstanbul", 1),
        ("E\u0301T\u00c9", 1),
        ("ete", 0),
        ("co-op", 1),
        ("1,000", 1),  # between marks that change the direction
        ("m2", 1),
        ("σίσυφος", 1),
        ("אֶרֶץ", 1),
        ("=1+1", 1),
    ],
)
def test_words_are_found_whole(library: Library, query: str, count: int) -> None:
    if query != "90%":
        assert library.found(query) == whole_word(query.strip('"“”'))
        assert len(library.found(query)) == count
    else:
        assert library.found(query) == anywhere(query)


@in_one_test(
    ("query", "expected"),
    [
        ("rumo*", [10, 11]),
        ('"the rumor mi"*', [10]),
        ("gen", [12]),
        ("itgc后", [12]),
        ("跑gen", [12]),
        ("v2.0", [12]),
        ("删除 article", [13]),
        ("谣言 政府", [0]),
        ("政府 -谣言", [4]),
        ("谣言 OR 噂", [0, 4]),
        ("(谣言 OR 噂) 政府 -否定", [0]),
        ("谣 -谣言", [2]),
        ("rumor -mill", [11]),
        ("host:example.org 谣言", [0]),
        ("host:example.org -rumor 😀", [14]),
        ("谣言 OR host:nowhere", [0]),
        ("nothing", []),
    ],
)
def test_words_are_combined(library: Library, query: str, expected: list[int]) -> None:
    assert library.found(query) == [bundle_id(number) for number in expected]


def test_what_is_found_is_marked_in_the_text_as_shown(library: Library) -> None:
    (found, _) = library.search("rumo*").captures
    assert [hit.text[start:end] for hit in found.hits for start, end in hit.marks] == [
        "rumor\u00ad"
    ]
    (found,) = library.search("谣言 政府").captures
    (hit,) = found.hits
    assert [hit.text[start:end] for start, end in hit.marks] == ["谣言", "政府", "谣言"]
    (found,) = library.search("المقال ازيل آخر").captures
    (hit,) = found.hits
    assert [hit.text[start:end] for start, end in hit.marks] == ["أُزِيلَ", "المقالُ", "آخَر"]


@settings(max_examples=tries(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_index_finds_what_a_scan_finds(library: Library, data: st.DataObject) -> None:
    text = normalise(data.draw(st.sampled_from(TEXTS)))
    start = data.draw(st.integers(0, len(text) - 1))
    wanted = text[start : start + data.draw(st.integers(1, 8))].strip()
    if piece_query(Searched(text=wanted)) is None or '"' in wanted:
        return
    found = library.found(f'"{wanted}"')

    assert found == [
        bundle_id(number)
        for number, shown in enumerate(TEXTS)
        if any(find(Searched(text=wanted), normalise(shown)))
    ]
    if all(token.paired for token in tokens(wanted)):
        assert found == anywhere(wanted)


def test_a_word_in_very_many_passages_is_found_without_candidates(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_COMMON", 3)
    monkeypatch.setattr(search_module, "_CHUNK", 4)
    expected = [empty.add("the 谣言" if number % 3 else "nothing") for number in range(30)]
    empty.sync()
    wanted = [one for number, one in enumerate(expected) if number % 3]

    assert empty.found("谣言") == wanted
    assert empty.found("the -nothing") == wanted
    assert empty.found("nothing OR the") == expected


def test_a_search_for_words_that_never_meet_ends_and_states_how_far_it_came(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_COMMON", 3)
    monkeypatch.setattr(search_module, "_CHUNK", 4)
    monkeypatch.setattr(search_module, "_ROW", 10)
    monkeypatch.setattr(search_module, "_MOST_READ", 5 * (10 + 12))
    match = empty.add("first second third")
    ids = [match, *(empty.add("second first" if n % 2 else "first third ") for n in range(20))]
    empty.sync()

    for query in ("second third", '"first second"', "second third -other", "first second third"):
        pages = [empty.search(query, limit=2)]
        while pages[-1].next:
            pages.append(empty.search(query, limit=2, before=pages[-1].next))

        if not query.startswith('"'):  # SQLite names the candidates of a phrase
            untils = [page.searched_until for page in pages]
            assert untils == [ids[16], ids[11], ids[6], ids[1], ""], query
        assert [page.next for page in pages] == [page.searched_until for page in pages]
        found = [capture.bundle_id for page in pages for capture in page.captures]
        assert found == [match], query
    # A page that is full is no search that was cut short.
    page = empty.search("first", limit=2)
    assert (page.next, page.searched_until) == (ids[19], "")
    assert empty.search("first", limit=21).searched_until == ""


def test_pages_follow_one_another_without_gap_and_without_repetition(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_CHUNK", 4)
    ids = [empty.add("谣言") for _ in range(23)]
    empty.sync()
    for query in ("谣言", "", "host:example.org"):
        pages = [empty.search(query, limit=5)]
        while pages[-1].next:
            pages.append(empty.search(query, limit=5, before=pages[-1].next))

        assert [len(page.captures) for page in pages] == [5, 5, 5, 5, 3]
        found = [capture.bundle_id for page in pages for capture in page.captures]
        assert found == ids[::-1]


def test_regions_are_searched_apart_and_hidden_text_only_on_request(empty: Library) -> None:
    places = {
        region: empty.add(regions={region: "谣言 one"}) for region in ("title", "address", "rest")
    }
    places["hidden"] = empty.add(regions={"hidden": "谣言 one"})
    places["main"] = empty.add("谣言 one")
    empty.sync()

    assert empty.found("谣言") == [places[one] for one in ("title", "address", "rest", "main")]
    for region, expected in places.items():
        assert empty.found(f"in:{region} 谣言") == [expected]
    assert empty.found("in:title in:hidden 谣言") == [places["title"], places["hidden"]]


def test_words_of_one_capture_may_be_in_several_of_its_texts(empty: Library) -> None:
    both = empty.add("谣言", regions={"rest": "government"})
    empty.add("谣言")
    empty.sync()

    assert empty.found("谣言 government") == [both]
    (found,) = empty.search("谣言 government").captures
    assert [hit.region for hit in found.hits] == [Region.MAIN, Region.REST]


def test_what_people_recorded_is_searched_and_filtered(empty: Library) -> None:
    noted, tagged, in_case, plain = (empty.add("谣言") for _ in range(4))
    labelled = empty.add("谣言", job=JobFacts(tags=("daily", "100%", "cafe\u0301")))
    empty.sync()
    note = Note(number=1, at=AT, author="A", role="", text="ask the Editor 编辑", erased=False)
    erased = Note(number=2, at=AT, author="A", role="", text=None, erased=True)
    review = Decision(number=3, name="accepted", at=AT, author="A", role="", reason="")
    empty.state.captures = {
        noted: CaptureState(notes=[erased, note]),
        tagged: CaptureState(tags={"urgent": None}),
        in_case: CaptureState(cases={"case-7": 1}, review=review),
    }

    assert empty.found("编辑") == empty.found("in:note editor") == [noted]
    assert empty.found("in:main editor") == []
    assert empty.found("in:tag urgent") == empty.found("tag:urgent") == [tagged]
    assert empty.found("tag:daily") == empty.found("tag:100%") == [labelled]
    assert empty.found("tag:dail") == empty.found("tag:100_") == empty.found("tag:DAILY") == []
    assert empty.found("tag:caf\u00e9") == empty.found("tag:cafe\u0301") == [labelled]
    assert empty.found("has:tag") == [tagged, labelled]
    assert empty.found("has:note") == [noted]
    assert empty.found("case:case-7") == empty.found("has:case") == [in_case]
    assert empty.found("has:review") == [in_case]
    assert empty.found("谣言 -has:case -has:tag -has:note") == [plain]
    assert empty.found("case:case-7 OR tag:urgent") == [tagged, in_case]


def a_case(name: str, title: str | None, *notes: str) -> CaseState:
    return CaseState(
        name=name, number=1, created_at=AT, author="A", title=title, notes=list(map(a_note, notes))
    )


def a_note(text: str) -> Note:
    return Note(number=1, at=AT, author="A", role="", text=text, erased=False)


def test_captures_are_found_by_the_title_of_their_case_and_by_words_of_notes(
    empty: Library,
) -> None:
    one, two, three, four = (empty.add("谣言 text") for _ in range(4))
    empty.sync()
    empty.state.cases = {
        case.name: case
        for case in (
            a_case("harbour", "Fire in the Harbour, 港口火灾", "Call the Mayor’s office"),
            a_case("fire", "Other"),
            a_case("empty", "empty"),
            a_case("erased", None),
        )
    }
    empty.state.captures = {
        one: CaptureState(cases={"harbour": 1, "erased": 1}),
        two: CaptureState(cases={"fire": 1, "harbour": 2}),
        three: CaptureState(notes=[a_note("ask the mayor; 市长不在")]),
        four: CaptureState(cases={"erased": 2}),
    }
    for query, expected in (
        ("case:harbour", [one, two]),
        ("case:HARBOUR", [one, two]),
        ("case:fire", [two]),  # a name wins over the words of titles
        ("case:empty", []),
        ("case:港口", [one, two]),
        ("case:口", [one, two]),
        ('case:"in the harbour"', [one, two]),
        ('case:"the harb"', []),
        ("case:harb*", [one, two]),
        ("case:harb", []),
        ("case:other case:港口", [two]),
        ("-case:港口 谣言", [three, four]),
        ("note:mayor", [one, two, three]),
        ('note:"mayor\'s office"', [one, two]),
        ("note:市", [three]),
        ("note:may*", [one, two, three]),
        ('note:"ask the may"*', [three]),
        ("note:may", []),
        ("note:mayor -case:harbour", [three]),
        ("in:main note:mayor 谣言", [one, two, three]),
        ("mayor", [three]),  # words are about a capture, and not about its cases
        ("港口", []),
    ):
        assert empty.found(query) == expected, query
    (found, *_) = empty.search("note:mayor in:main 谣言").captures
    assert [(hit.region, hit.text[slice(*hit.marks[0])]) for hit in found.hits] == [
        (Region.MAIN, "谣言"),
        (Region.NOTE, "mayor"),
    ]


def test_captures_of_which_only_the_beginning_is_searched_are_counted(empty: Library) -> None:
    long = empty.add("谣言", facts=BundleFacts(is_text_whole=False))
    secret = empty.add("谣言", facts=BundleFacts(is_text_whole=False))
    empty.add("谣言")
    empty.sync()
    empty.hidden = {secret}

    page = empty.search("谣言")
    assert [found.bundle_id for found in page.captures if not found.is_text_whole] == [long]
    assert page.cut == empty.search("nothing").cut == empty.search("谣言", limit=1).cut == 1
    assert empty.search("host:example.org").cut == empty.search("in:note 谣言").cut == 0


def test_a_filter_on_a_row_may_have_a_value_that_has_also_takes(empty: Library) -> None:
    policy = empty.add(facts=BundleFacts(policy="note"))
    noted = empty.add()
    empty.sync()
    empty.state.captures = {noted: CaptureState(notes=[a_note("text")])}

    assert empty.found("policy:note") == [policy]
    assert empty.found("host:tag") == []


def test_a_capture_in_quarantine_is_never_found(empty: Library) -> None:
    secret, other = empty.add("谣言"), empty.add("谣言")
    empty.sync()
    decision = Decision(number=1, name="", at=AT, author="A", role="", reason="")
    empty.state.captures = {secret: CaptureState(quarantine=decision, tags={"x": None})}

    assert empty.found("谣言") == empty.found("") == empty.found("host:example.org") == [other]
    assert empty.found("tag:x") == []
    empty.hidden = {other}
    assert empty.found("谣言") == []


def test_filters_are_about_the_row_of_a_capture(empty: Library) -> None:
    gone = empty.add(
        observation=Observation(
            bundle_id="",
            sha256="0" * 64,
            identity="//news.example.org/a",
            url="https://news.example.org/a",
            at=AT,
            began_at=AT,
            content=Content.NOTICE,
            availability=Availability.UNAVAILABLE,
            key_id="0" * 64,
        ),
        facts=BundleFacts(outcome="partial", language="zh-CN", policy="court", is_missing=True),
    )
    other = empty.add(facts=BundleFacts(outcome="complete", language="en", policy="default"))
    empty.sync()

    for query in (
        "host:news.example.org",
        "site:news.example.org",
        "verdict:notice",
        "verdict:unavailable",
        "outcome:partial",
        "lang:zh",
        "lang:zh-cn",
        "policy:court",
        "has:missing",
        "identity://news.example.org/a",
        "before:2026-11-24T16:01",
        "-after:2026-11-24T16:01",
    ):
        assert empty.found(query) == [gone], query
    for query in ("host:example.org", "lang:en", "after:2026-11-24T16:01", "-verdict:notice"):
        assert empty.found(query) == [other], query
    assert empty.found("site:example.org") == [gone, other]
    assert empty.found("site:ample.org") == empty.found("host:%") == empty.found("lang:e") == []


def test_a_host_is_found_in_both_addresses_and_in_every_form_of_its_name(empty: Library) -> None:
    short = empty.add(facts=BundleFacts(final_url="https://news.example.net:8443/a"))
    german = empty.add(facts=BundleFacts(final_url="https://xn--mnchen-3ya.de/"))
    empty.sync()

    for query, expected in (
        ("host:news.example.net", [short]),
        ("host:news.example.net:8443", [short]),
        ("site:EXAMPLE.net", [short]),
        ("host:example.net", []),
        ("host:münchen.de", [german]),
        ("host:MÜNCHEN.de", [german]),
        ("host:xn--mnchen-3ya.de", [german]),
        ("site:de", [german]),
        ("host:example.org", [short, german]),  # the requested address
        (f"host:{'x' * 70}.de", []),
    ):
        assert empty.found(query) == expected, query


def test_filters_are_answered_by_one_index_and_read_only_rows_that_match(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        empty.add(
            "one" if number % 2 else "two",
            facts=BundleFacts(
                final_url=f"https://{number}.example.net/", policy="rare" if number == 7 else "",
                language="de", outcome="failed" if number == 8 else "complete",
                is_missing=number == 9,
            ),
            job=JobFacts(worker="", schedule="", tags=("kept",) if number == 10 else ()),
        )  # fmt: skip
    empty.sync()
    plans = list[str]()
    read = list[str]()
    rows = empty.index.database.rows

    def noted(statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        found = rows(statement, values)
        if " FROM bundle " in statement and "sketch" not in statement:
            plans.extend(row[3] for row in rows(f"EXPLAIN QUERY PLAN {statement}", values))
            read.extend(str(row[0]) for row in found)
        return found

    monkeypatch.setattr(empty.index.database, "rows", noted)
    monkeypatch.setattr(search_module, "_COMMON", 5)
    for query, numbers in (
        ("policy:rare", {7}),
        ("outcome:failed OR host:9.example.net -lang:en", {8, 9}),
        ("has:missing verdict:content", set()),
        ("site:11.example.net -has:time-proof after:2020", {11}),
        ("before:2020", set()),
        ("lang:fr one", set()),
        ("policy:rare OR tag:kept", {7, 10}),
        ("(policy:rare OR outcome:failed) -one", {8}),
        ("tag:kept", {10}),
    ):
        plans.clear()
        read.clear()
        assert empty.found(query) == list(map(bundle_id, sorted(numbers))), query
        assert set(read) <= {*map(bundle_id, (7, 8, 9, 10, 11))}, query
        scans = [plan for plan in plans if plan.startswith("SCAN")]
        assert scans or "tag:" in query, query
        for plan in scans:
            assert plan.startswith(
                ("SCAN bundle USING COVERING INDEX bundle_by_filters",
                 "SCAN bundle USING INDEX bundle_cut", "SCAN bundle USING INDEX bundle_tagged")
            ), (query, plan)  # fmt: skip


def test_a_word_that_is_frequent_in_other_regions_names_candidates(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        empty.add("one", regions={"rest": "Imprint", "hidden": "imprint" if number == 4 else ""})
    wanted = empty.add("The imprint")
    empty.sync()
    monkeypatch.setattr(search_module, "_COMMON", 3)
    read = list[str]()
    rows = empty.index.database.rows

    def noted(statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        found = rows(statement, values)
        read.extend(str(row[0]) for row in found if "bundle WHERE bundle_id IN" in statement)
        return found

    monkeypatch.setattr(empty.index.database, "rows", noted)
    for query, expected in (
        ("imprint in:main", [wanted]),
        ("imprint in:hidden", [bundle_id(4)]),
        ("imprint in:title", []),
    ):
        read.clear()
        assert empty.found(query) == expected, query
        assert read == expected, query
    assert len(empty.found("imprint in:rest")) == 10


def test_long_texts_of_filters_are_kept_as_far_as_an_index_takes_them(empty: Library) -> None:
    texts = random.Random(4)  # noqa: S311  what no database compresses
    long = "".join(chr(texts.randrange(0x4E00, 0x9000)) for _ in range(3_000))
    made = empty.add(
        facts=BundleFacts(
            final_url=f"https://{long}/", policy=long, language=f"de-{long}", outcome=long
        )
    )
    empty.sync()

    assert empty.found(f"policy:{long[:130]} OR lang:de") == [made]


def test_what_no_database_stores_is_searched_as_it_is_stored(empty: Library) -> None:
    made = empty.add("one\0two 谣\ud800言")
    empty.sync()

    assert empty.found("one") == empty.found("two") == empty.found("谣 言") == [made]
    assert empty.found("onetwo") == empty.found("谣言") == []
    for name in ("host", "site", "identity", "tag", "case", "policy", "lang"):
        assert empty.found(f"{name}:\udcff\0x") == [], name


def story(words: str, seed: int) -> str:
    """Return a text of 200 words or characters."""
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    return "".join(chance.choice(words.split()) + " " * words.isascii() for _ in range(200))


@in_one_test(
    "words", ["one two three four five six seven eight nine", "谣 言 网 络 政 府 新 闻 社"]
)
def test_the_same_text_under_another_address_is_named(tmp_path: Path, words: str) -> None:
    text = story(words, 1)
    edited = f"By our desk. {text[:300]} {text[310:]} Read more."
    with open_index_file(tmp_path / f"{len(words)}.db") as index:
        library = Library(index)
        first, copy = library.add(text), library.add(edited)
        other = library.add(story(words, 2))
        notices = [library.add("This content is no longer available.") for _ in range(2)]
        library.sync()

        found = {one.bundle_id: one.copies for one in library.search("").captures}
        assert [one.bundle_id for one in found[first]] == [copy]
        assert [one.url for one in found[copy]] == ["https://example.org/0"]
        assert found[other] == found[notices[0]] == found[notices[1]] == ()
        library.remove(first)
        library.sync()
        assert all(one.copies == () for one in library.search("").captures)


def test_captures_of_one_page_are_no_copies_of_each_other(empty: Library) -> None:
    seen = Observation(
        bundle_id="",
        sha256="0" * 64,
        identity="//example.org/a",
        url="https://example.org/a",
        at=AT,
        began_at=AT,
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        key_id="0" * 64,
    )
    text = story("one two three four five six seven", 1)
    for _ in range(2):
        empty.add(text, observation=seen)
    elsewhere = empty.add(text)
    empty.sync()

    found = {one.bundle_id: one.copies for one in empty.search("").captures}
    assert [one.bundle_id for one in found[elsewhere]] == [bundle_id(1)]
    assert [one.bundle_id for one in found[bundle_id(0)]] == [elsewhere]


def test_texts_of_removed_captures_are_gone_from_the_index(empty: Library) -> None:
    first, second = empty.add("谣言"), empty.add("谣言")
    empty.sync()
    empty.remove(first)
    empty.sync()

    assert empty.found("谣言") == [second]
    assert len(empty.index.database.rows("SELECT rowid FROM piece")) == 1
    empty.index.clear()
    assert empty.index.database.rows("SELECT rowid FROM piece") == []


def test_a_random_library_is_searched_as_it_is_scanned(empty: Library) -> None:
    chance = random.Random(7)  # noqa: S311  repeatable, not secret
    letters = "谣言网政府カナ한국ไทย ab Ünø кот كتاب 😀.\n"
    texts = ["".join(chance.choices(letters, k=chance.randint(0, 60))) for _ in range(40)]
    ids = [empty.add(text) for text in texts]
    empty.sync()
    plain = [normalise(text) for text in texts]

    for _ in range(tries(60)):
        text = chance.choice(plain)
        start = chance.randrange(len(text) + 1)
        wanted = Searched(text=text[start : start + chance.randint(1, 5)].strip())
        if piece_query(wanted) is None:
            continue
        expected = [one for one, shown in zip(ids, plain, strict=True) if any(find(wanted, shown))]
        assert empty.found(f'"{wanted.text}"') == expected, wanted


def random_query(chance: random.Random, depth: int = 0) -> str:
    leaves = (
        "谣", "谣言", "rumor", "rum*", '"a rumor"', "site", "nothing", "tag:x", "tag:job", "case:c",
        "has:note", "host:h0.example.org", "site:example.org", "outcome:partial", "lang:zh",
    )  # fmt: skip
    parts = []
    for _ in range(chance.randint(1, 3)):
        inner = (
            f"({random_query(chance, depth + 1)})"
            if depth < 2 and chance.random() < 0.3
            else chance.choice(leaves)
        )
        parts.append("-" * (chance.random() < 0.3) + inner)
    return (" OR " if chance.random() < 0.4 else " ").join(parts)


@pytest.mark.parametrize("common", [20_000, 2])
def test_every_query_finds_what_its_evaluation_for_each_capture_finds(
    empty: Library, monkeypatch: pytest.MonkeyPatch, common: int
) -> None:
    monkeypatch.setattr(search_module, "_COMMON", common)
    monkeypatch.setattr(search_module, "_CHUNK", 5)
    chance = random.Random(3)  # noqa: S311  repeatable, not secret
    texts, rows = dict[str, str](), dict[str, tuple[str, ...]]()
    for number in range(24):
        words = ("谣言", "谣", "a rumor", "rumors", "site map", "言")
        text = " ".join(chance.sample(words, chance.randint(0, 4)))
        state = CaptureState(
            tags={"x": None} if chance.random() < 0.3 else {},
            cases={"c": number} if chance.random() < 0.3 else {},
        )
        has_job, partial = chance.random() < 0.3, chance.random() < 0.5
        language = chance.choice(("zh-CN", "en"))
        made = empty.add(
            text,
            facts=BundleFacts(outcome="partial" if partial else "complete", language=language),
            job=JobFacts(tags=("job",)) if has_job else None,
        )
        empty.state.captures[made] = state
        texts[made] = normalise(" ".join([text, *state.tags]))
        meets = {
            "tag:x": bool(state.tags), "tag:job": has_job, "case:c": bool(state.cases),
            "site:example.org": True, "outcome:partial": partial, "lang:zh": language == "zh-CN",
        }  # fmt: skip
        rows[made] = tuple(name for name, is_met in meets.items() if is_met)
    empty.sync()
    tried = 0
    for _ in range(tries(80)):
        text = random_query(chance)
        try:
            root = parse(text).root
        except InvalidQuery:
            continue
        tried += 1
        expected = [
            made
            for made in texts
            if matches(
                root,
                contains=lambda searched, made=made: any(find(searched, texts[made])),  # type: ignore[misc]
                fits=lambda one, made=made: f"{one.name}:{one.value}" in rows[made],  # type: ignore[misc]
            )
        ]
        assert empty.found(text) == expected, text
    assert tried > 40
