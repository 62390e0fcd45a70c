//! What the outside sees of `render`.

pub mod fixture;

use std::path::PathBuf;

use fixture::{Counting, config, each, frame, issue};
use postround::compose::IssueContent;
use postround::config::Config;
use postround::render::{RenderedMail, Renderer};

pub fn render(content: &IssueContent, config: &Config) -> RenderedMail {
    Renderer::new(None).unwrap().digest(content, &frame(config), &Counting::new()).unwrap()
}

/// The issues that one looks at: with `POSTROUND_LOOK` set to a folder, their parts are written there.
#[test]
fn issues_of_all_sizes_render() {
    let folder = std::env::var_os("POSTROUND_LOOK").map(PathBuf::from);
    let picture = std::env::var("POSTROUND_LOOK_PICTURE").ok();
    let pictured = |content| {
        each(content, |article| {
            if let (Some(image), Some(picture)) = (&mut article.image, &picture) {
                *image = format!("{picture}/{}", if image.ends_with("/0.png") { "lead.png" } else { "thumb.png" });
            }
        })
    };
    let bare = each(issue(12, 8), |article| article.image = None);
    for (name, content) in [
        ("twelve", issue(12, 8)),
        ("one", issue(1, 1)),
        ("bare", bare),
        ("forty", issue(40, 40)),
        ("listed", issue(40, 8)),
    ] {
        let config = config();
        let mail = render(&pictured(content), &config);
        eprintln!("{name}: {} HTML, {} text, {} message", mail.html.len(), mail.text.len(), mail.mime.len());
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.html")), &mail.html).unwrap();
            std::fs::write(folder.join(format!("{name}.txt")), &mail.text).unwrap();
            std::fs::write(folder.join(format!("{name}.eml")), &mail.mime).unwrap();
        }
    }
}
