//! What the command line asks to measure.

/// What to measure.
pub struct Arguments {
    /// How many messages in each run.
    pub messages: usize,
    /// How often each setting is measured.
    pub rounds: usize,
    /// Settings whose name has all of these words; none: all.
    only: Vec<String>,
}

impl Arguments {
    /// Reads the command line; what cargo adds to it is left alone.
    pub fn read() -> Self {
        let mut read = Self { messages: 100_000, rounds: 3, only: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| usage());
            match word.as_str() {
                "--messages" => read.messages = number(),
                "--rounds" => read.rounds = number(),
                "--only" => read.only.push(words.next().unwrap_or_else(|| usage())),
                "--bench" => {}
                _ => usage(),
            }
        }
        read
    }

    /// Whether a setting of that name is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.iter().all(|word| name.contains(word.as_str()))
    }
}

fn usage() -> ! {
    eprintln!("cargo bench --bench throughput -- [--messages 100000] [--rounds 3] [--only WORD]…");
    std::process::exit(2)
}
