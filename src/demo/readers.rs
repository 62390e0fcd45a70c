//! The readers of the demo's digest.

/// Somebody who has joined.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The name that the greeting uses; may be empty.
    pub name: &'static str,
    /// The address.
    pub email: &'static str,
    /// The topics that were chosen; none: all of them.
    pub topics: &'static [&'static str],
}

/// A dozen, most of them with everything, some with topics of their choice, one without a name.
pub const READERS: &[Reader] = &[
    Reader { name: "Priya Venkatesan-Holt", email: "priya.venkatesan@kelderby.example", topics: &[] },
    Reader { name: "Zoë Ní Bhriain", email: "zoe@saltmere-families.example", topics: &[] },
    Reader { name: "Łukasz Wiśniewski-Page", email: "l.wisniewski@pendlebrook.example", topics: &["news"] },
    Reader { name: "Bronwen Ap Rhys", email: "bronwen@hillsidetrust.example", topics: &[] },
    Reader { name: "Tom O’Dowd-Adeyemi", email: "tom.odowd@bramsea.example", topics: &[] },
    Reader {
        name: "José Ángel Núñez", email: "jose.nunez@thornhithe.example", topics: &["features", "interviews"]
    },
    Reader { name: "", email: "duty.team@ostley.example", topics: &["news"] },
    Reader { name: "Şirin Öztürk-Bell", email: "sirin+weekly@quillham.example", topics: &[] },
    Reader { name: "François Dûment", email: "francois@maison-verte.example", topics: &["interviews"] },
    Reader { name: "Amélie van der Veen", email: "amelie.vanderveen@marrowdale.example", topics: &[] },
    Reader { name: "Hồ Ngọc Anh", email: "anh.ho@saltmere.example", topics: &["news", "features"] },
    Reader { name: "Doorstep desk", email: "desk@doorstep.example", topics: &[] },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EmailAddress;
    use std::collections::HashSet;

    #[test]
    fn readers_have_addresses_of_their_own_that_lead_nowhere() {
        assert!(READERS.len() >= 12);
        assert_eq!(READERS.iter().map(|reader| reader.email).collect::<HashSet<_>>().len(), READERS.len());
        for reader in READERS {
            assert!(EmailAddress::parse(reader.email).unwrap().domain().ends_with(".example"));
            assert!(reader.topics.iter().all(|topic| ["news", "features", "interviews"].contains(topic)));
        }
    }
}
