"""
Pages that hold something back from a reader who does not scroll, wait or click.

Importing this module adds them to `Site`. Each has a truth that a test can count.
"""

import gzip
import zlib

from tests.servers.site import Site as Site
from tests.servers.site import _Handler, _page, _route, png

# A page that has replaced everything that a script could stand on. What is left of the
# originals would make our counts, texts and waits wrong, or never end.
_HOSTILE = r"""
const never = () => new Promise(() => {});
const lie = () => { throw new Error('hostile'); };
for (const name of Object.getOwnPropertyNames(Array.prototype))
  if (typeof Array.prototype[name] === 'function' && name !== 'constructor')
    Array.prototype[name] = lie;
Object.defineProperty(Object.prototype, 'pending', {get: lie, set: lie});
for (const name of ['then', 'catch', 'finally']) Promise.prototype[name] = never;
window.Promise = function () { return {then() {}}; };
window.JSON = {parse: lie, stringify: () => '{"wanted": 0}'};
window.Date = function () { return {getTime: () => NaN}; };
window.performance.now = () => -1e9;
window.requestAnimationFrame = window.setTimeout = window.setInterval = () => 0;
window.scrollTo = window.scrollBy = window.scroll = lie;
window.getComputedStyle = lie;
window.Map = window.Set = window.WeakMap = window.WeakSet = window.URL = lie;
window.MutationObserver = lie;
for (const name of ['querySelector', 'querySelectorAll', 'getElementsByTagName', 'createElement',
    'createTreeWalker', 'getAnimations', 'elementFromPoint'])
  Document.prototype[name] = lie;
for (const name of ['querySelectorAll', 'getAttribute', 'setAttribute', 'getClientRects',
    'getBoundingClientRect', 'closest', 'matches', 'scrollBy', 'scrollTo', 'checkVisibility'])
  Element.prototype[name] = lie;
const fake = (prototype, name, value) =>
  Object.defineProperty(prototype, name, {get: () => value, set: lie, configurable: true});
fake(Document.prototype, 'title', 'a lie');
fake(Document.prototype, 'documentElement', null);
fake(Document.prototype, 'body', null);
fake(Document.prototype, 'scrollingElement', null);
fake(Document.prototype, 'fonts', {status: 'loading', [Symbol.iterator]: lie});
fake(Element.prototype, 'scrollHeight', 1);
fake(Element.prototype, 'outerHTML', 'a lie');
fake(Element.prototype, 'shadowRoot', null);
fake(HTMLElement.prototype, 'innerText', 'a lie');
fake(Node.prototype, 'textContent', 'a lie');
fake(HTMLImageElement.prototype, 'complete', false);
fake(HTMLImageElement.prototype, 'naturalWidth', 0);
fake(HTMLImageElement.prototype, 'currentSrc', '');
HTMLImageElement.prototype.decode = never;
Function.prototype.call = Function.prototype.apply = Function.prototype.bind = lie;
Object.getOwnPropertyDescriptor = Object.defineProperty = Object.keys = lie;
Array.prototype[Symbol.iterator] = lie;
console.log('hostile to the end');
"""
_page(
    "/hostile",
    lambda site: (
        "<!doctype html><html lang=fr><head><title>the truth</title></head><body>"
        "<img name=querySelectorAll src=/image/1.png><img name=documentElement src=/image/2.png>"
        "<img name=body src=/image/3.png><form name=fonts><input name=children>"
        "<input name=innerText><p>inside a form</p></form>"
        "<p>first paragraph</p><open-box></open-box><div style='height:5000px'></div>"
        "<img loading=lazy src=/image/4.png width=9 height=9><p>last paragraph</p>"
        f"<iframe src='{site.url('/hostile-frame', origin=2)}'></iframe>"
        "<script>document.querySelector('open-box').attachShadow({mode: 'closed'}).innerHTML ="
        "'<p>closed shadow</p>';"
        f"{_HOSTILE}</script></body></html>"
    ),
)
_page(
    "/hostile-frame",
    f"<!doctype html><title>frame</title><p>in the frame</p><img src=/image/5.png>"
    f"<script>{_HOSTILE}</script>",
)


def _article(handler: _Handler) -> None:
    """An article of 12 images that a script of the page's would bring, if it had one."""
    broken = 2 if "broken" in handler.path else 0
    images = "".join(
        f'<p>paragraph {i}</p><img data-src="/image/wx-{i}.{"gif" if i < broken else "png"}"'
        f' style="width:600px;height:400px" alt="figure {i}">'
        for i in range(12)
    )
    handler.reply(f"<!doctype html><title>article</title><div id=js_content>{images}</div>")


_Handler.routes["/wx/article"] = _article
_Handler.routes["/wx/article-broken"] = _article

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_page(
    "/every-lazy",
    lambda site: (
        f"""<!doctype html><title>every lazy</title><style>
img, .bg, iframe, video {{ display:block; width:300px; height:200px; margin-top:1200px }}
.bg.shown {{ background-image:url(/image/class.png) }}</style><h1>top</h1>
<img loading=lazy src=/image/native.png>
<img class=observed data-src=/image/observed.png>
<picture><source data-srcset="/image/picture.png 1x"><img class=ps src="{_PIXEL}"></picture>
<img class=set data-srcset="/image/set-1.png 1x, /image/set-2.png 2x" src="{_PIXEL}">
<img data-original=/image/original.png src=/image/blank.png>
<img data-original=/image/original-2.png src=/image/blank.png>
<img data-original=/image/original-3.png src=/image/blank.png>
<div class=bg id=by-class></div><div class=bg data-bg=/image/data-bg.png></div>
<video poster=/image/poster.png></video><video poster=/image/poster.gif></video>
<iframe loading=lazy src="{site.url("/inner?lazy", origin=2)}"></iframe>
<img style="display:none" data-src=/image/nobody-sees.png>
<script>new IntersectionObserver((entries, observer) => {{
  for (const {{isIntersecting, target}} of entries) if (isIntersecting) {{
    if (target.id) target.classList.add('shown'); else target.src = target.dataset.src;
    observer.unobserve(target);
  }}
}}).observe(document.querySelector('.observed'));
new IntersectionObserver(([{{isIntersecting, target}}]) => {{
  if (isIntersecting) target.classList.add('shown');
}}).observe(document.querySelector('#by-class'));</script>"""
    ),
)
_page(
    "/inner-scroller",
    "<!doctype html><title>app</title><style>body{margin:0;height:100vh;overflow:hidden}"
    "#pane{height:100%;overflow:auto}p{height:300px;margin:0}</style><div id=pane>"
    + "".join(f"<p>row {i}</p>" for i in range(20))
    + "<img loading=lazy src=/image/at-the-end.png width=9 height=9></div>",
)
_page(
    "/scroll-lock",
    "<!doctype html><title>lock</title><div style='height:9000px'>tall</div>"
    "<script>addEventListener('scroll',()=>scrollTo(0,0))</script>",
)
_page(
    "/late-growth",
    "<!doctype html><title>late</title><p>short</p><script>"
    "setTimeout(()=>fetch('/data.json').then(()=>{for(let i=0;i<40;i++){"
    "const p=document.createElement('p');p.style.height='200px';p.textContent='late '+i;"
    "document.body.append(p)}const image=new Image();image.loading='lazy';"
    "image.src='/image/late.png';document.body.append(image)}),100)</script>",
)
_POLLING = (
    "<!doctype html><title>polls</title><p>text</p><div style='height:2000px'></div><script>"
    "let n = 0; setInterval(() => { fetch('/image/gone.gif'); n += 1; CHANGE }, 300)</script>"
)
_page("/polls", _POLLING.replace("CHANGE", ""))
_page("/polls-tall", _POLLING.replace("CHANGE", "").replace("2000px", "9000px"))
# While it is observed: the third answer comes after 0.9 s.
_page("/polls-and-changes", _POLLING.replace("CHANGE", "n === 5 && document.body.append('late')"))
# Neither a change of the document, nor laid out, nor painted.
_BOTH = (
    "<p style='height:400px;margin:0;background:#f00'></p><p style='height:400px;background:#0f0'>"
)
_page(
    "/polls-and-scrolls",
    f"<!doctype html><div id=box style='width:200px;height:200px;overflow:auto'>{_BOTH}</div>"
    + _POLLING.replace("CHANGE", "if (n === 5) document.querySelector('#box').scrollTop = 800"),
)
# What files that are taken early may show in another way.
_page(
    "/sticky",
    "<!doctype html><title>sticky</title><style>@font-face{font-family:Own;font-display:swap;"
    "src:local('DejaVu Sans Mono'),local('Liberation Mono'),local('Noto Sans Mono')}"
    "p{font-family:Own,serif}header,footer{position:sticky;top:0;bottom:0;background:#0af}"
    "</style><header>header</header><div id=banner style='position:fixed;inset:0'>We use cookies."
    f"<button id=no>Reject all</button></div>{'<p>text</p>' * 60}<footer>footer</footer>"
    "<div id=pop popover>a popover</div><script>document.querySelector('#no').onclick=()=>"
    "{document.querySelector('#banner').remove();document.querySelector('#pop').showPopover()};"
    "open('/inner')</script>",
)
# What no document counts among its animations.
_MOVES = "from{transform:none}to{transform:translateX(900px)}"
_BOX = "position:absolute;top:0;width:99px;height:99px;background:red"
_page(
    "/moves-in-shadow",
    f"<!doctype html><title>moves</title><div id=host></div>{'<p>text</p>' * 60}<script>"
    "document.getElementById('host').attachShadow({mode:'closed'}).innerHTML="
    f"'<style>@keyframes run{{{_MOVES}}}b{{{_BOX};animation:run 8s linear infinite}}</style><b>'"
    "</script>",
)
_page(
    "/moves-in-svg",
    "<!doctype html><title>moves</title><svg width=999 height=99><rect width=99 height=99>"
    "<animate attributeName=x from=0 to=900 dur=8s repeatCount=indefinite /></rect></svg>"
    f"{'<p>text</p>' * 60}",
)
_page(
    "/moves-in-marquee",
    f"<!doctype html><title>moves</title><marquee>text</marquee>{'<p>text</p>' * 60}",
)
# No change of the document, but of a rule of its style; painted all the time.
_page(
    "/moves-by-script",
    "<!doctype html><title>moves</title><style id=own>h1{background:red}</style><h1>text</h1>"
    f"{'<p>text</p>' * 60}<script>let n=0;setInterval(()=>{{n+=1;document.getElementById('own')"
    ".sheet.cssRules[0].style.width=n%900+'px'},50)</script>",
)
_page(
    "/moves-in-canvas",
    f"<!doctype html><title>moves</title><canvas id=own></canvas>{'<p>text</p>' * 60}<script>"
    "let n=0;const to=document.getElementById('own').getContext('2d');"
    "setInterval(()=>{n+=1;if(n===5)to.fillRect(0,0,300,150)},240)</script>",
)
_page(
    "/lazy-frame",
    f"<!doctype html><title>lazy</title>{'<p>text</p>' * 60}"
    "<iframe loading=lazy src=/inner?lazy></iframe>",
)
_page(
    "/fonts",
    "<!doctype html><title>fonts</title><style>"
    "@font-face{font-family:Gone;src:url(/image/gone.gif)}"
    "@font-face{font-family:Unused;src:url(/image/unused.gif)}</style>"
    "<p style='font-family:Gone,serif'>text in a font that is not there</p>",
)
_page(
    "/images-one-never",
    "<!doctype html><title>one never</title><h1>images</h1><script>"
    "addEventListener('load',()=>{for(const u of['/never','/late-image','/image/x.png']){"
    "const i=new Image();i.src=u;document.body.append(i)}})</script>",
)


@_route("/undecodable")
def _undecodable(handler: _Handler) -> None:
    """A PNG with a head and nothing behind it."""
    handler.reply(png(40, 20, (9, 9, 9))[:33], "image/png")


_page(
    "/images-undecodable",
    "<!doctype html><title>undecodable</title><img src=/undecodable><img src=/image/ok.png>",
)


@_route("/second-time.png")
def _second_time(handler: _Handler) -> None:
    """An image that is there when it is asked for again."""
    first = handler.server.site.paths().count("/second-time.png") == 1
    handler.reply(
        b"" if first else png(40, 20, (9, 9, 9)), "image/png", status=503 if first else 200
    )


_page(
    "/background-second-time",
    """<!doctype html><title>second</title><body><p>text<script>
    const image = new Image();
    image.onerror = () => { document.body.style.backgroundImage = 'url(/second-time.png)'; };
    image.src = '/second-time.png';</script>""",
)
_page(
    "/images-again",
    # The second image is out of reach of scrolling: that it is woken tells the page that its
    # images are looked at and being decoded. Then the first one is asked for once more.
    """<!doctype html><title>again</title><img src=/image/ok.png id=first>
    <img loading=lazy src=/image/far.png id=far style="position:absolute;left:90000px">
    <script>new MutationObserver(() => { first.crossOrigin = 'anonymous'; })
      .observe(far, {attributeFilter: ['loading']})</script>""",
)
_page(
    "/scroll-held",
    # Held at 300 px for a moment, as a page does while it loads more.
    """<!doctype html><title>held</title><body style="margin:0;height:5000px"><script>
    let until = 0;
    addEventListener('scroll', () => {
      if (scrollY > 300) until ||= performance.now() + 120;
      if (performance.now() < until) scrollTo({top: 300, behavior: 'instant'});
    })</script>""",
)
_page(
    "/frames",
    lambda site: (
        "<!doctype html><title>frames</title><p>outer</p><iframe></iframe>"
        f"<iframe src='{site.url('/inner?a', origin=2)}'></iframe>"
        f"<iframe src='{site.url('/inner?b')}'></iframe>"
        f"<iframe src='{site.url('/inner?c', origin=2)}'></iframe>"
        "<iframe src='http://127.0.0.1:9/'></iframe>"
    ),
)
_page(
    "/hidden-text",
    "<!doctype html><title>hidden</title><style>.sr{position:absolute;width:1px;height:1px;"
    "overflow:hidden;clip:rect(0,0,0,0)}</style>"
    "<p>Maria in Vancouver</p><p>2 weeks ago</p><p>Matter Laurel-Zalko</p><p>Matte “quoted” – —</p>"
    "<p>ﬁrst ①  ｗｉｄｅ</p><p>東京は<b>日本</b>の首都です</p><p>soft\u00adhyphen</p>"
    "<div id=gone style='display:none'><p>not rendered <b>bold</b></p><p>second line</p></div>"
    "<p style='visibility:hidden'>invisible words</p><p style='opacity:0'>transparent words</p>"
    "<span class=sr>for screen readers</span><p style='font-size:1px'>tiny words</p>"
    "<details><summary>the summary</summary>inside details</details>"
    "<div style='display:contents'>contents words</div>"
    "<select><option>an option</option></select><script>var inScript='script words'</script>",
)
_page(
    "/glyphs",
    "<!doctype html><meta charset=utf-8><title>glyphs</title><p>Latin é</p><p>漢字新聞</p>"
    "<p style='font-family:monospace'>ひらがな</p><p hidden>ไทย</p><p>a\u200bb \ue000</p>",
)


def _virtual(handler: _Handler) -> None:
    """500 rows of 50 px, of which only those near the viewport are in the document."""
    recycles = "true" if "recycled" in handler.path else "false"
    handler.reply(
        "<!doctype html><title>virtual</title><style>body{margin:0}#list{position:relative;"
        "height:25000px}.row{position:absolute;height:50px;width:100%}</style><h1>rows</h1>"
        f"<div id=list></div><script>const recycles={recycles},pool=[],"
        "list=document.querySelector('#list');const draw=()=>{"
        "const first=Math.max(0,Math.floor(scrollY/50)-3);"
        "if(!recycles)list.textContent='';for(let i=first,n=0;i<Math.min(500,first+26);i++,n++){"
        "let row=recycles?pool[n]:null;if(!row){row=document.createElement('div');"
        "row.className='row';pool.push(row);list.append(row)}"
        "row.style.top=i*50+'px';row.textContent='row number '+i}"
        "if(recycles)for(const row of pool.slice(Math.min(500,first+26)-first))row.textContent=''};"
        "draw();addEventListener('scroll',()=>requestAnimationFrame(draw))</script>"
    )


_Handler.routes["/virtual"] = _virtual
_Handler.routes["/virtual-recycled"] = _virtual
_page(
    "/news/2014",
    "<!doctype html><title>news</title><nav><button id=menu>Show more</button></nav><main>"
    "<p>first paragraph</p><p>second paragraph</p>"
    "<p id=third style='display:none'>third paragraph</p>"
    "<button id=more onclick=\"document.querySelector('#third').style.display='';"
    "document.title='expanded';this.remove()\">Continue Reading</button>"
    "<span id=zh style='cursor:pointer'>展开全文</span><p id=rest></p>"
    "<div id=trusted role=button tabindex=0>Read more ▾</div><p id=by-mouse></p>"
    "<details><summary>Click to comment</summary>a comment inside</details>"
    "<a href='/plain'>Read more</a><a href='#rest' id=anchor>Show all</a><p id=all></p>"
    "<form action='/plain'><button>Show more</button></form>"
    "<button id=leaves onclick=\"location.href='/plain?left'\">Expand</button>"
    "<div style='height:2000px'></div><img loading=lazy src=/image/below.png width=9 height=9>"
    "</main><script>const at=id=>document.querySelector(id);"
    "at('#zh').onclick=()=>fetch('/data.json').then(()=>{at('#rest').textContent='余下的全文'});"
    "at('#trusted').addEventListener('click',event=>{if(event.isTrusted)"
    "at('#by-mouse').textContent='came by mouse'});"
    "at('#menu').onclick=()=>{document.title='the menu was clicked'};"
    "at('#anchor').onclick=()=>{at('#all').textContent='all of it'}</script>",
)
_page(
    "/many-more",
    "<!doctype html><title>many</title><main id=m></main><script>for(let i=0;i<30;i++){"
    "const b=document.createElement('button');b.textContent='Show more';b.onclick=()=>{"
    "const p=document.createElement('p');p.textContent='shown '+i;m.append(p)};m.append(b)}"
    "</script>",
)
_page(
    "/consent",
    "<!doctype html><title>consent</title><h1>the page</h1><p id=said></p>"
    "<div id=banner style='position:fixed;inset:0;background:#c00'>We use cookies."
    "<button id=yes>Accept all</button><button id=no>Reject all</button></div>"
    "<div style='position:fixed;top:0'><button id=other>Reject</button></div><script>"
    "const at=id=>document.querySelector(id);for(const id of['yes','no','other'])"
    "at('#'+id).onclick=()=>{at('#said').textContent='clicked '+id;at('#banner').remove()}"
    "</script>",
)
_page(
    "/consent-in-a-frame",
    lambda site: (
        "<!doctype html><title>consent</title><h1>the page</h1>"
        f"<iframe id=cmp src='{site.url('/consent', origin=2)}'></iframe>"
    ),
)
_page(
    "/wx/rumor",
    "<!doctype html><meta charset=utf-8><title>article</title><script>var svr_time = 1500000000;"
    "</script><p id=p>" + "".join(chr(0x4E00 + i) for i in range(300)) + "</p><script>"
    "document.querySelector('#p').textContent='此内容被多人投诉，相关的内容已无法查看。'</script>",
)

# An article that sends its reader on to a notice, or shows nothing of it: coded as real
# servers code their pages.
ARTICLE = " ".join(f"word{number:02}" for number in range(60))
NOTICE = "This content can not be viewed because it was deleted by its publisher"


def _moved_article(begin: str) -> str:
    return f"<!doctype html><title>article</title>{begin}<h1>An article</h1><p>{ARTICLE}</p>"


def _coded(path: str, coding: str, html: str) -> None:
    body = gzip.compress(html.encode()) if coding == "gzip" else zlib.compress(html.encode())

    @_route(path)
    def answer(handler: _Handler) -> None:
        handler.reply(body, headers=(("Content-Encoding", coding),))


_page("/moved/notice", f"<!doctype html><title>notice</title><p>{NOTICE}</p>")
_coded(
    "/moved/by-refresh",
    "gzip",
    _moved_article('<meta http-equiv=refresh content="0;/moved/notice">'),
)
_coded(
    "/moved/by-script",
    "deflate",
    _moved_article("<script>location.replace('/moved/notice')</script>"),
)
_coded(
    "/moved/replaced",
    "gzip",
    _moved_article(f"<script>onload = () => document.body.textContent = '{NOTICE}'</script>"),
)
_page("/moved/step", "<!doctype html><p>One moment<script>location = '/moved/stays'</script>")
_coded("/moved/stays", "gzip", _moved_article(""))


# Pictures that styles ask for. Those that end in .gif are not there.
_STYLES = """<!doctype html><title>styles</title><style>
#a { background: url(/image/gone-1.gif), url(/image/there-1.png) }
#b::before { content: url("/image/gone-2.gif") }
li { list-style-image: url('/image/gone-3.gif') }
#c { border: 9px solid; border-image: url("/image/gone-(4).gif#part") 1 }
#d { background: url(/image/there-2.png) }
#e { display: none; background: url(/image/nobody-sees.gif) }
div { width: 50px; height: 50px }
</style>"""
_page(
    "/styles",
    _STYLES + "<div id=a></div><div id=b></div><ul><li>one<li>two</ul><div id=c></div>"
    "<div id=d></div><div id=e></div><iframe src=/styles-frame></iframe>"
    "<script>new Image().src = '/image/beacon.gif'</script>",
)
_page("/styles-frame", "<!doctype html><body style='background: url(/image/gone-5.gif)'>frame")

# What is in the picture, and in no text and no markup; and what is in neither.
_page(
    "/named",
    """<!doctype html><meta charset=utf-8><title>named</title>
<style>p::before { content: "\u0379 " }</style><form>
<input name=q><input name=city value=Paris><input type=password name=p value=first-secret>
<input name=pwd value=second-secret><input type=hidden name=token value=third>
<textarea name=area>as it came</textarea><textarea style="display:none">out of sight</textarea>
<select name=s><option>one<option>two</select><input type=checkbox name=c>
<div contenteditable>written</div></form>
<p>中文 in company of \u0378, of a\U0001df25 and of \ue900</p><deep-box></deep-box><script>
const form = document.forms[0];
form.q.value = 'typed words';
form.area.value = 'typed below';
form.s.selectedIndex = 1;
form.c.checked = true;
navigator.serviceWorker.register('/worker.js');
let at = document.querySelector('deep-box');
for (let i = 0; i < 600; i += 1) at = at.appendChild(document.createElement('span'));
const inner = at.appendChild(document.createElement('closed-box')).attachShadow({mode: 'closed'});
inner.innerHTML = 'at the bottom <input name=inner value=deep>';</script>""",
)


@_route("/named.xml")
def _named_xml(handler: _Handler) -> None:
    words = "<?xml version='1.0'?><feed xmlns='urn:x'><title>words \u0378 in XML</title></feed>"
    handler.reply(words, "application/xml; charset=utf-8")
