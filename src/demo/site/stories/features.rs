//! The week's features and interviews.

use super::{Announced, Kind, Picture, Story};

pub(super) const FEATURES: &[Story] = &[
    Story {
        slug: "i-would-stop-counting-contacts",
        kind: Kind::Interview,
        announced: Announced::Listing,
        hours_ago: 26,
        headline: "“I would stop counting contacts tomorrow”",
        author: "Rhoswen Tait",
        picture: Some(Picture { file: "question.png", alt: "A large quotation mark above a straight line" }),
        paragraphs: &[
            "Zoë Lindqvist-Marsh has led duty teams in three counties. She talks to us about thresholds, slow first weeks \
             and the number on her wall that she would like to take down.",
            "What does the number say? “How many contacts we had by noon. It tells you that the phone works. It does not \
             tell you whether anybody was helped by it, and every week somebody makes it go up by splitting one family \
             into four contacts.”",
            "What would hang there instead? “How many families told us their story once. We could know that: we would only \
             have to ask them. I have a drawer full of numbers that were easier to get.”",
            "And if nobody could blame you? “I would give the first week back. No assessment for seven days, just somebody \
             who comes twice. You’d be surprised how often the second visit is a different family.”",
        ],
    },
    Story {
        slug: "the-street-where-nobody-is-hard-to-reach",
        kind: Kind::Feature,
        announced: Announced::Feed,
        hours_ago: 31,
        headline: "The street where nobody is ‘hard to reach’",
        author: "Iseult Brannagh",
        picture: Some(Picture { file: "street.png", alt: "A row of six houses, a light in each of them" }),
        paragraphs: &[
            "For eighteen months one team in Saltmere has worked a single street of 140 homes. What it learned has less to \
             do with services than with who knocks, and with when.",
            "Quay Rise is not the poorest street in town. It was chosen because three services each had it down as \
             refusing help. When the team compared lists, no door had been knocked on by all three, and eleven had not \
             been knocked on by any.",
            "The first months went into repairs: a gate, a letter to a landlord, a fridge. “We were told it was not early \
             help,” says one of the two workers. “Then the gate told its neighbours.”",
            "By the second winter 96 households had asked for something. Most of it was small. Four families had plans, \
             and all four had asked for them by name.",
        ],
    },
    Story {
        slug: "a-year-of-tuesdays",
        kind: Kind::Feature,
        announced: Announced::Listing,
        hours_ago: 51,
        headline: "A year of Tuesdays: inside one parenting group",
        author: "Rhoswen Tait",
        picture: Some(Picture { file: "tuesdays.png", alt: "A calendar whose second column is coloured" }),
        paragraphs: &[
            "Nine parents signed up, fourteen came, and six are still coming. We sat in on a group in Marrowdale from the \
             first biscuit to the last, and asked what kept them.",
            "It was not the course. The folder with the worksheets was last seen in March. What the six name is the hour \
             itself: the same room, the same two people, and somebody who notices when one is missing.",
            "The group’s leader has stopped calling it a programme. “A programme ends,” she says. “Tuesday doesn’t.”",
            "What the funders ask for is a number at the end. The group has offered them one: fifty-one Tuesdays out of \
             fifty-two. On the missing one it snowed.",
        ],
    },
    Story {
        slug: "the-cafe-did-more-than-the-clinic",
        kind: Kind::Interview,
        announced: Announced::Listing,
        hours_ago: 75,
        headline: "“The café did more than the clinic”: Łucja Brandt-Osei on drop-ins",
        author: "Dev Harrowgate-Singh",
        picture: None,
        paragraphs: &[
            "She gave up her consulting room for a table by the window. Two years on, Thornhithe’s infant feeding lead has \
             seen twice as many mothers and written half as many letters.",
            "Why a café? “Because they were there already, and I was not. A clinic begins with a chair that is bolted down. \
             Here the first thing we discuss is cake.”",
            "What can’t be done there? “Weighing. And silence: I walk round the harbour for that. Most of the hard things \
             I have been told, I was told while walking.”",
            "What would she say to managers? “Come on a Thursday. Bring a coat.”",
        ],
    },
    Story {
        slug: "what-a-family-remembers-of-its-plan",
        kind: Kind::Feature,
        announced: Announced::Both,
        hours_ago: 77,
        headline: "What a family remembers of its plan",
        author: "Marta Ellwood",
        picture: Some(Picture { file: "plan.png", alt: "A sheet of paper with one line underlined" }),
        paragraphs: &[
            "We asked 23 families what was in the plan that had been made with them. They remembered people, days and one \
             sentence each; hardly anybody remembered an outcome.",
            "“That Dawn would ring on Fridays,” said one father. The plan had eleven pages and the call was not in it. It \
             had been promised in the corridor, and it was kept for a year.",
            "Three mothers could say by heart what was written about them in the first paragraph. None of the three agreed \
             with it, and none had been asked.",
            "Ostley now ends each meeting with a question: what will you remember of this? The answer goes on top of the \
             page. It is, the team says, the only part of the plan that nobody has had to look up.",
        ],
    },
    Story {
        slug: "five-questions-for-a-new-early-help-lead",
        kind: Kind::Interview,
        announced: Announced::Listing,
        hours_ago: 124,
        headline: "Five questions for a new early help lead",
        author: "Rhoswen Tait",
        picture: None,
        paragraphs: &[
            "Until August, Tomasz Greenhalgh-Ruiz ran a swimming pool. Now he leads early help in Quillham, and he says the \
             two have more in common than the panel believed.",
            "What is the same? “You don’t wait until somebody shouts. You look at who has stopped moving.”",
            "What surprised you? “How many meetings are about who will come to the next one. At the pool we had a rota.”",
            "What have you changed? “Everyone spends a morning a month at the front desk, me too. I learned more there than \
             in my induction, and it was warmer.”",
        ],
    },
];
