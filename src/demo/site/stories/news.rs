//! The week's news.

use super::{Announced, Kind, Picture, Story};

pub(super) const NEWS: &[Story] = &[
    Story {
        slug: "one-front-door-until-2028",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 5,
        headline: "Councils get until 2028 to put early help behind one front door",
        author: "Marta Ellwood",
        picture: Some(Picture {
            file: "front-door.png",
            alt: "Five lines from the left bend together into one round doorway",
        }),
        paragraphs: &[
            "Areas that still run separate lines for early help and social care have a second year to join them. Ministers \
             moved the date after fourteen councils warned of closing phone lines before records could be shared.",
            "Under the new timetable a joint front door has to be open to families by March 2028. Plans are due this \
             autumn, and money for moving desks and data stays what it was, which means that areas that finish early keep \
             what they do not spend.",
            "“The first date would have given us one telephone number and two computers behind it,” said the head of \
             family services in Pendlebrook, which stopped its own merger in June. “Families would have told their story \
             twice, only faster.”",
            "Not everyone is relieved. Kelderby joined its teams eighteen months ago and says that the wait costs the \
             others more than the move did: re-referrals there have fallen by a fifth since one duty desk answers for all.",
            "The guidance also says for the first time what a front door is not. An online form without a person behind \
             it on the same day does not count.",
        ],
    },
    Story {
        slug: "health-visitor-posts-fill-except-on-the-coast",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 22,
        headline: "Health visitor posts fill for a third quarter, except on the coast",
        author: "Dev Harrowgate-Singh",
        picture: Some(Picture {
            file: "posts.png",
            alt: "Sixteen dots in a square, most of them filled, one of them gold",
        }),
        paragraphs: &[
            "Posts that stood empty for more than six months are down to nine in a hundred. On the coast the figure is \
             still twice that, and in Bramsea it rose.",
            "The quarterly count covers 112 areas. Inland, every region has more health visitors than a year ago, mostly \
             because fewer leave: part-time posts and a fixed patch are the two reasons that teams name first.",
            "Coastal teams say they can recruit but not keep. “People come in May and give notice in November,” said a \
             team lead in Thornhithe. Rents follow the holiday season, and the last bus follows nothing at all.",
            "Four coastal areas will share a pool of visitors from January, with travel time counted as work.",
        ],
    },
    Story {
        slug: "inspectors-ask-who-is-in-the-room",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 29,
        headline: "“And the father?” Inspectors will check who is in the room",
        author: "Marta Ellwood",
        picture: None,
        paragraphs: &[
            "Each early help visit will be asked one more question from April. Inspectors want to see how an area hears \
             from fathers, and they want to see it in the case file rather than in the strategy.",
            "The change adds no paperwork, the inspectorate says: a name, or a reason why there is none. In a trial in \
             three areas the reason was most often that nobody had asked.",
            "Workers in the trial found 41 fathers who had not been on file, nine of them living in the household. Two \
             plans were closed within a month, because an adult was found who could do the school run.",
        ],
    },
    Story {
        slug: "kelderby-duty-desk-moves-into-schools",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 47,
        headline: "Kelderby moves its duty desk into two primary schools",
        author: "Iseult Brannagh",
        picture: Some(Picture { file: "desk.png", alt: "Two desks facing each other under one lamp" }),
        paragraphs: &[
            "Four days a week the people who answer referrals sit beside those who make them. After one term, referrals \
             that nobody could use have halved in Kelderby.",
            "The desk takes up a former computer room in each school. Teachers look in before lessons, with a question \
             rather than a form, and about a third of the questions end there.",
            "“It is harder to write ‘no further action’ about a child when you have just held the door for them,” said one \
             of the desk’s three social workers.",
            "The council will decide on a second pair of schools in spring. It has already decided to keep the kettle.",
        ],
    },
    Story {
        slug: "kinship-allowance-past-eighteen",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 53,
        headline: "Kinship carers keep their allowance until the exams are over",
        author: "Dev Harrowgate-Singh",
        picture: None,
        paragraphs: &[
            "An eighteenth birthday in the middle of a school year will no longer end a kinship allowance. It runs on to \
             the end of that summer, for about 6,000 families, starting with this year’s.",
            "Until now the payment stopped on the day itself. A survey of carers found that one in eight had moved to \
             somewhere smaller in the year before a young person’s exams.",
            "Areas must write to the carers concerned by the end of January. The letter, says the guidance, should fit on \
             one page and name a person.",
        ],
    },
    Story {
        slug: "speech-and-language-waits-shorten",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 74,
        headline: "Waits for speech & language therapy shorten, slowly",
        author: "Iseult Brannagh",
        picture: Some(Picture { file: "speech.png", alt: "Two speech bubbles, the smaller one inside the larger" }),
        paragraphs: &[
            "The middle wait for a first appointment has come down from 31 weeks to 26. Where nurseries have a therapist \
             one morning a week, it is eleven.",
            "Saltmere was the first area to send therapists to where the children already are. It books no rooms, and it \
             does not send letters that begin with the word ‘failure’.",
            "Long waits remain for bilingual children, who are often put on two lists and called from neither. A note on \
             good practice is promised for next month.",
        ],
    },
    Story {
        slug: "judges-ask-for-plainer-reports",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 98,
        headline: "Judges ask for plainer reports: four pages, no acronyms",
        author: "Marta Ellwood",
        picture: None,
        paragraphs: &[
            "A family court report should be short enough to be read by the family. A model published this week has four \
             pages, names every person by name and asks for the child’s own words on the first.",
            "The judges behind it read 60 reports. The longest had 94 pages and used one abbreviation for two different \
             meetings; three did not say how old the child was.",
            "Using the model is voluntary. Two areas have taken it up already, and Ostley has added a rule of its own: \
             whoever writes the report reads it aloud once before it goes.",
        ],
    },
    Story {
        slug: "bramsea-youth-club-in-a-former-bank",
        kind: Kind::News,
        announced: Announced::Feed,
        hours_ago: 121,
        headline: "Bramsea reopens its youth club \u{2013} in a former bank",
        author: "Iseult Brannagh",
        picture: None,
        paragraphs: &[
            "Six years after the last one closed, the town has a youth club again. It opens five evenings a week in what \
             used to be a bank, and the vault is the music room.",
            "Young people drew up the opening hours themselves. They asked for Sundays, when the buses stop at four, and \
             they asked that nobody would have to sign in to use the lavatory.",
            "The club costs what the council spent last year on boarding up the building.",
        ],
    },
];
