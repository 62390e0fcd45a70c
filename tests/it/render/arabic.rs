//! The same paper in Arabic, in a locale that an operator has added.

use std::path::Path;

use postround::compose::{Intro, IssueArticle, IssueContent, Section};
use postround::config::{Config, Sender};
use postround::domain::Locale;

use super::fixture;

/// Topic, title, source, excerpt.
const STORIES: [(&str, &str, &str, &str); 7] = [
    (
        "news",
        "عام إضافي لمراكز الأسرة لتوحيد أبوابها",
        "الأسرة اليوم",
        "أمام المجالس المحلية الآن مهلة حتى مارس 2028 لجمع الدعم المبكر والزيارات الصحية والرعاية الاجتماعية خلف باب واحد. وكانت أربع عشرة منطقة قد حذّرت من أن الموعد الأول يعني إغلاق خطوط الهاتف قبل أن تجهز السجلات المشتركة.",
    ),
    (
        "news",
        "الشواغر بين الزائرات الصحيات تتراجع للفصل الثالث إلا على الساحل",
        "سجل الرعاية",
        "انخفضت الوظائف الشاغرة منذ أكثر من ستة أشهر إلى 9 في المئة، بينما لا تزال فرق الساحل تعاني ضعف هذه النسبة.",
    ),
    (
        "news",
        "المفتشون سيسألون كل منطقة كيف تستمع إلى الآباء",
        "نشرة المركز",
        "يضيف الإطار المعدّل سؤالًا واحدًا إلى كل زيارة ابتداءً من أبريل، من دون أي أوراق جديدة.",
    ),
    (
        "news",
        "What the English guidance says about kinship care",
        "Family Practice Review",
        "Carers could be assessed by video where a child has lived with them for two years or more.",
    ),
    (
        "interviews",
        "«ما الذي ستتوقفين عن فعله غدًا؟» نادية فريرا عن نهاية عدّ الاتصالات",
        "الأسرة اليوم",
        "كبيرة الأخصائيين الاجتماعيين تتحدث عن فرق المناوبة وعن أهمية أسبوع أول أبطأ.",
    ),
    ("news", "ثلاثة مجالس تنشر مدد الانتظار للاستراحات القصيرة", "سجل الرعاية", ""),
    ("news", "نموذج موافقة بلغة بسيطة جرّبه الأهالي", "نشرة المركز", ""),
];

/// The configuration, with the locale `ar` from the folder of templates in the fixtures.
pub fn config() -> Config {
    config_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates"), "ar")
}

/// The same in another locale, from that folder of templates.
pub fn config_in(folder: &Path, locale: &str) -> Config {
    let text = format!(
        "[sender]\nemail = \"digest@example.org\"\n[templates]\ndir = {:?}\n[[source]]\nid = \"news\"\nfeed = \"https://example.org/\"\n\
         [[digest]]\nid = \"weekly\"\nsources = [\"news\"]\nschedule = \"@weekly\"\nlocale = \"{locale}\"\n",
        folder.display().to_string()
    );
    let read = Config::parse(&text, Path::new("config.toml"), std::iter::empty()).unwrap();
    read.templates.wordings.install();
    let mut config = fixture::config();
    let digest = &mut config.digests[0];
    digest.title = "الأسرة اليوم".into();
    digest.locale = read.digests[0].locale.clone();
    digest.banner = None;
    digest.sender = Sender {
        name: "الأسرة اليوم".into(),
        postal_address: "دار النشر، صندوق بريد 1287، عمّان".into(),
        legal: String::new(),
        ..digest.sender.clone()
    };
    config
}

/// An issue of seven stories, one of them in English.
pub fn issue() -> IssueContent {
    let article = |(at, story): (usize, &(&str, &str, &str, &str))| IssueArticle {
        topic: story.0.into(),
        source: story.2.into(),
        title: story.1.into(),
        url: Some(format!("https://earlyhelp.example/ar/{at}")),
        canonical: String::new(),
        published: None,
        date: Some(fixture::day("2026-11-20") - chrono::Days::new(at as u64 / 2)),
        excerpt: story.3.into(),
        author: None,
        image: [0, 2].contains(&at).then(|| format!("https://earlyhelp.example/img/{at}.png")),
    };
    let mut articles: Vec<IssueArticle> = STORIES.iter().enumerate().map(article).collect();
    let listed = articles.split_off(5);
    let interviews = articles.split_off(4);
    let section = |topic: &str, title: &str, articles| Section { topic: topic.into(), title: title.into(), articles };
    IssueContent {
        digest: "weekly".into(),
        title: "الأسرة اليوم".into(),
        number: Some(42),
        date: fixture::day("2026-11-23"),
        intro: Some(Intro {
            text: "اقرأوا التفاصيل الصغيرة عن السجلات المشتركة قبل أن تؤجلوا مواعيدكم: العام الإضافي أقصر مما يبدو."
                .into(),
            by: "مريم حداد، المحررة".into(),
        }),
        sections: vec![section("news", "أخبار", articles), section("interviews", "مقابلات", interviews)],
        listed,
    }
}

/// Its locale.
pub fn locale() -> Locale {
    config().digests[0].locale.clone()
}
