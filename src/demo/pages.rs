//! The pages of the demo as Tera templates, embedded and escaped.

use std::sync::LazyLock;

use tera::{Context, Tera};

/// Every template of the demo, under its name.
const TEMPLATES: &[(&str, &str)] = &[
    ("inbox/layout.html", include_str!("../../templates/demo/inbox/layout.html")),
    ("inbox/list.html", include_str!("../../templates/demo/inbox/list.html")),
    ("inbox/inbox.html", include_str!("../../templates/demo/inbox/inbox.html")),
    ("inbox/mail.html", include_str!("../../templates/demo/inbox/mail.html")),
    ("inbox/missing.html", include_str!("../../templates/demo/inbox/missing.html")),
    ("site/layout.html", include_str!("../../templates/demo/site/layout.html")),
    ("site/home.html", include_str!("../../templates/demo/site/home.html")),
    ("site/listing.html", include_str!("../../templates/demo/site/listing.html")),
    ("site/article.html", include_str!("../../templates/demo/site/article.html")),
    ("site/page.html", include_str!("../../templates/demo/site/page.html")),
    ("site/feed.xml", include_str!("../../templates/demo/site/feed.xml")),
];

#[allow(clippy::expect_used, reason = "the templates are part of the program, and a test parses them")]
static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates(TEMPLATES.iter().copied()).expect("the demo's templates parse");
    tera
});

/// Renders a template of [`TEMPLATES`]. A fault in one is logged, and the page says so.
pub(super) fn render(name: &str, context: &Context) -> String {
    TERA.render(name, context).unwrap_or_else(|error| {
        tracing::error!(template = name, %error, "a page of the demo could not be rendered");
        "This page could not be made.".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses_and_escapes() {
        let mut context = Context::new();
        context.insert("news_site", "\"><script>");
        assert!(render("inbox/missing.html", &context).contains("&quot;&gt;&lt;script&gt;"));
        assert_eq!(TERA.get_template_names().count(), TEMPLATES.len());
    }
}
