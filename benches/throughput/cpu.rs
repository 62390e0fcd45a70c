//! Seconds of the processor, user and system together.

/// How many times a second the system counts a process's time.
const TICKS: f64 = 100.0;

/// Of this process.
pub fn own() -> f64 {
    seconds([11, 12])
}

/// Of its children that have ended.
pub fn children() -> f64 {
    seconds([13, 14])
}

/// The sum of two fields of `/proc/self/stat`, counted from the one after the name.
fn seconds(places: [usize; 2]) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = |place: usize| after_name.split_whitespace().nth(place).unwrap().parse::<f64>().unwrap();
    places.map(ticks).iter().sum::<f64>() / TICKS
}
