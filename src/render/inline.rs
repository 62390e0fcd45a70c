//! Style sheets worked into the elements of a mail, since many mail programs drop them.

use css_inline::CSSInliner;

/// Inlines the `<style>` blocks of a page; those with `data-css-inline="keep"` stay, and so do `@media` rules of any.
pub(super) fn inline(html: &str) -> Result<String, css_inline::InlineError> {
    let options = CSSInliner::options().load_remote_stylesheets(false).minify_css(true);
    options.keep_at_rules(has_at_rules(html)).build().inline(html).map(|html| without_dashes(&html))
}

/// Writes two dashes within a comment as what Word, which reads a mail's conditional comments as HTML, takes for them: in
/// a comment there may be none, and titles and addresses have them.
fn without_dashes(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("<!--") {
        let (comment, after) = after.split_once("-->").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str("<!--");
        out.push_str(&comment.replace("--", "&#45;&#45;"));
        out.push_str("-->");
        rest = after;
    }
    out.push_str(rest);
    out
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

#[cfg(test)]
mod tests {
    use super::without_dashes;

    #[test]
    fn a_comment_has_no_two_dashes_in_it() {
        let html = "a -- <!--[if mso]><img alt=\"b -- c---\"><![endif]--><!--[if !mso]><!-->d--e<!--<![endif]-->";
        let clean = "a -- <!--[if mso]><img alt=\"b &#45;&#45; c&#45;&#45;-\"><![endif]--><!--[if !mso]><!-->d--e<!--<![endif]-->";
        assert_eq!(without_dashes(html), clean);
    }
}
