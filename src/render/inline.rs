//! Style sheets worked into the elements of a mail, since many mail programs drop them.

use css_inline::CSSInliner;

/// Inlines the `<style>` blocks of a page; those with `data-css-inline="keep"` stay, and so do `@media` rules of any.
pub(super) fn inline(html: &str) -> Result<String, css_inline::InlineError> {
    let options = CSSInliner::options().load_remote_stylesheets(false).minify_css(true);
    options.keep_at_rules(has_at_rules(html)).build().inline(html)
}

/// Whether a block that does not stay has rules that cannot be inlined. The inliner would repeat those of blocks that stay.
fn has_at_rules(html: &str) -> bool {
    html.split("<style").skip(1).any(|block| {
        let block = block.split("</style").next().unwrap_or_default();
        let (tag, sheet) = block.split_once('>').unwrap_or_default();
        !tag.contains("data-css-inline") && sheet.contains('@')
    })
}

/// Drops the indentation and empty lines that templates leave; a page with preformatted text stays as it is.
pub(super) fn tidy(html: &str) -> String {
    if html.contains("<pre") || html.contains("<textarea") {
        return html.to_owned();
    }
    let mut out = String::with_capacity(html.len());
    for line in html.lines().map(|line| line.trim_matches([' ', '\t', '\r'])).filter(|line| !line.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
    out
}
