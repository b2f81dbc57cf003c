//! What was measured, one JSON line each.

/// What was measured, in its unit; `limit` is what it should stay below.
pub struct Figure {
    /// What it is, as the table says it.
    pub name: String,
    /// How much.
    pub figure: f64,
    /// Of what.
    pub unit: &'static str,
    /// The most that it should be.
    pub limit: Option<f64>,
}

impl Figure {
    /// So much in this unit.
    pub fn new(name: impl Into<String>, figure: f64, unit: &'static str, limit: Option<f64>) -> Self {
        Self { name: name.into(), figure, unit, limit }
    }

    /// A time in milliseconds.
    pub fn time(name: impl Into<String>, milliseconds: f64, limit: Option<f64>) -> Self {
        Self::new(name, milliseconds, "ms", limit)
    }

    /// Prints it as one JSON line.
    pub fn print(&self) {
        let Self { name, figure, unit, limit } = self;
        println!("{}", serde_json::json!({"name": name, "figure": figure, "unit": unit, "limit": limit}));
    }
}

/// The median of what was measured, with the least and the greatest on stderr.
pub fn median(name: &str, unit: &str, mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    let (middle, last) = (at(figures.len() / 2), at(figures.len().saturating_sub(1)));
    eprintln!("{name}: {middle:.2} {unit}, from {:.2} to {last:.2}", at(0));
    middle
}
