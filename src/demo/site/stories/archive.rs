//! Older stories, still listed: a digest that has just met this site must not send them.

use super::{Announced, Kind, Story};

const fn days(days: u64) -> u64 {
    days * 24 + 6
}

pub(super) const ARCHIVE: &[Story] = &[
    Story {
        slug: "ostley-publishes-its-waiting-times",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: days(9),
        headline: "Ostley publishes its waiting times on the library door",
        author: "Iseult Brannagh",
        picture: None,
        paragraphs: &[
            "The sheet is changed every Monday morning. It says how long a family waits for a first visit, a place in a \
             group and a call back, and it has been stolen twice.",
            "The council took it as a compliment and put up a frame.",
            "Since the sheet went up, the wait for a call back has come down from nine days to four.",
        ],
    },
    Story {
        slug: "the-night-shift-at-the-contact-centre",
        kind: Kind::Feature,
        announced: Announced::Listing,
        hours_ago: days(12),
        headline: "The night shift at the contact centre",
        author: "Rhoswen Tait",
        picture: None,
        paragraphs: &[
            "Between ten and six, two people answer for a whole county. Most calls are from hospitals and police stations; \
             one in five is from a child, and those are never short.",
            "We spent three nights beside them, and heard eleven kinds of silence.",
            "What they would change is small: a list of who is awake elsewhere, and a window that opens.",
        ],
    },
    Story {
        slug: "pendlebrook-pauses-its-merger",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: days(16),
        headline: "Pendlebrook pauses the merger of its two front doors",
        author: "Marta Ellwood",
        picture: None,
        paragraphs: &[
            "The two teams will keep their own numbers for now. Records cannot yet be shared, and the council says that it \
             will not ask families to bridge the gap.",
            "A review is to report in the new year. Staff have been asked what they would need, and have sent a list of \
             forty points, of which nineteen are about printers.",
            "The unions welcomed the pause.",
        ],
    },
    Story {
        slug: "a-grandmother-on-paperwork",
        kind: Kind::Interview,
        announced: Announced::Listing,
        hours_ago: days(19),
        headline: "“They wanted my gas bill”: a grandmother on paperwork",
        author: "Dev Harrowgate-Singh",
        picture: None,
        paragraphs: &[
            "She took in three children on a Sunday night. By the Friday she had been asked for her gas bill five times, by \
             five people, and had none, because she cooks with electricity.",
            "She tells us what helped: one worker who filled in the forms at her table and left with all of them.",
            "What would she ask for? “One folder. Theirs, not mine.”",
        ],
    },
    Story {
        slug: "how-quillham-rewrote-its-letters",
        kind: Kind::Feature,
        announced: Announced::Listing,
        hours_ago: days(26),
        headline: "How Quillham rewrote 140 letters in a summer",
        author: "Iseult Brannagh",
        picture: None,
        paragraphs: &[
            "Every standard letter was read aloud to somebody who might get it. Sixty were thrown away on the spot, and \
             the rest lost half of their words.",
            "The word that went most often was ‘regarding’.",
            "Missed appointments have fallen by a quarter since, which paid for the summer.",
        ],
    },
    Story {
        slug: "the-judge-who-writes-to-children",
        kind: Kind::Interview,
        announced: Announced::Listing,
        hours_ago: days(40),
        headline: "The judge who writes to children",
        author: "Rhoswen Tait",
        picture: None,
        paragraphs: &[
            "After each case she writes one page to the child it was about. Some are read years later. She has kept no \
             copies, and remembers all of them.",
            "What is in them? “What I decided, and that it was not their doing.”",
            "She writes by hand, so that nobody can ask her for a template.",
        ],
    },
    Story {
        slug: "ten-years-of-a-toy-library",
        kind: Kind::Feature,
        announced: Announced::Listing,
        hours_ago: days(61),
        headline: "Ten years of a toy library",
        author: "Marta Ellwood",
        picture: None,
        paragraphs: &[
            "It began with a box of bricks in a church porch. Today 400 families borrow from it, and the most wanted thing \
             is still the box of bricks.",
            "Health visitors send people there because there is nothing to sign.",
            "What is lost is written off. In ten years that came to one fire engine and a very large giraffe.",
        ],
    },
];
