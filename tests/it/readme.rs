//! The README's promises: each names tests that are there.

use std::path::Path;

#[test]
fn every_test_that_the_readme_names_is_in_the_file_that_it_links() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let promises: Vec<&str> =
        readme.lines().filter(|line| line.starts_with("| ") && line.contains("](tests/")).collect();
    assert!(promises.len() >= 8, "the table of promises is gone");
    for promise in promises {
        let mut names = Vec::new();
        for part in promise.split(['`', '(', ')']) {
            if part.starts_with("tests/") {
                let path = root.join(part);
                assert!(path.exists(), "{part} is not there");
                for name in names.drain(..) {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert!(text.contains(&format!("fn {name}(")), "{part} has no test {name}");
                }
            } else if part.len() > 20 && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                names.push(part.to_owned());
            }
        }
        assert!(names.is_empty(), "{names:?} have no file");
    }
}
