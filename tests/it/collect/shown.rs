//! What a check tells people.

use postround::collect::check;

use super::{fixture_path, local, small};

#[tokio::test]
async fn people_see_the_articles_and_the_lines_to_paste() {
    let shown = check(fixture_path("rss.xml").to_str().unwrap(), &local(small())).await.unwrap().to_string();
    for part in [
        "RSS feed: Family Hubs Example, 3 articles",
        "2026-11-04  A bold claim",
        "            https://hubs.example/second/",
        "[[source]]",
        "feed = ",
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    assert!(!shown.contains("appeared first on"), "{shown}");
}

#[tokio::test]
async fn a_saved_page_that_names_its_address_is_read_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved.html");
    let page = std::fs::read_to_string(fixture_path("listing.html")).unwrap();
    let named = page.replace("<title>", "<link rel=canonical href='https://hubs.example/latest'><title>");
    std::fs::write(&file, named).unwrap();
    let checked = check(file.to_str().unwrap(), &local(small())).await.unwrap();
    let first = checked.document.articles[0].url.as_deref();
    assert_eq!(first, Some("https://hubs.example/knowledge-resources/parents-panel/"));
    assert!(checked.config.contains("page = \"https://hubs.example/latest\""), "{}", checked.config);
    assert!(checked.to_string().contains("select = {"));
}
