//! Plots as inline SVG: an axis each way with its unit, and lines or stacked areas between them. Colours are classes of the
//! page's stylesheet, which has a light and a dark form: `plotters` writes a fixed colour into every element, and `charming`
//! draws by a script of its own.

/// In the SVG's own units; the page scales it to the width it has.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;

/// One axis, from `from` to `to`.
pub struct Axis {
    pub unit: &'static str,
    pub from: f64,
    pub to: f64,
    /// Equal steps are equal factors.
    pub logarithmic: bool,
}

impl Axis {
    /// From zero to a round number that is not below `most`.
    pub fn up_to(unit: &'static str, most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = step(most);
        // A round number stays, whatever its division leaves behind.
        Self { unit, from: 0.0, to: (most / step - 1e-9).ceil() * step, logarithmic: false }
    }

    /// Whole powers of ten around these.
    pub fn decades(unit: &'static str, least: f64, most: f64) -> Self {
        let (from, to) = (least.max(0.1).log10().floor(), most.max(1.0).log10().ceil());
        Self { unit, from: 10f64.powf(from), to: 10f64.powf(to.max(from + 1.0)), logarithmic: true }
    }

    /// Where a value is, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        part.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let (from, to) = (self.from.log10().round() as i32, self.to.log10().round() as i32);
            return (from..=to).map(|power| 10f64.powi(power)).collect();
        }
        let step = step(self.to - self.from);
        let count = ((self.to - self.from) / step).round() as u32;
        (0..=count).map(|n| self.from + f64::from(n) * step).collect()
    }
}

/// 1, 2 or 5 times a power of ten: four to ten of them make `length`.
fn step(length: f64) -> f64 {
    let power = 10f64.powf((length / 4.0).log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|n| n * power).find(|step| length / step >= 3.999).unwrap_or(power)
}

/// What is drawn in one colour, a class of the page's stylesheet.
pub struct Series {
    pub name: String,
    pub colour: &'static str,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot {
    pub title: &'static str,
    pub x: Axis,
    pub y: Axis,
}

impl Plot {
    /// Each series above the one before it; all have the same x.
    pub fn stacked(&self, series: &[Series]) -> String {
        let mut below: Vec<f64> = series.first().map_or(vec![], |first| vec![0.0; first.points.len()]);
        let mut drawn = String::new();
        for one in series {
            let above: Vec<f64> = below.iter().zip(&one.points).map(|(below, (_, y))| below + y).collect();
            let there = one.points.iter().zip(&above).map(|((x, _), y)| self.place(*x, *y));
            let back = one.points.iter().zip(&below).rev().map(|((x, _), y)| self.place(*x, *y));
            let outline: Vec<String> = there.chain(back).collect();
            drawn += &format!("<polygon class=\"area {}\" points=\"{}\"/>", one.colour, outline.join(" "));
            below = above;
        }
        self.framed(&drawn)
    }

    /// `dashed` is drawn on top, a line of its own.
    pub fn stacked_under(&self, series: &[Series], dashed: &Series) -> String {
        let line = self.line(dashed, " dashed");
        self.stacked(series).replace("</svg>", &format!("{line}</svg>"))
    }

    pub fn lines(&self, series: &[Series]) -> String {
        self.framed(&series.iter().map(|one| self.line(one, "")).collect::<String>())
    }

    fn line(&self, one: &Series, more: &str) -> String {
        let points: Vec<String> = one.points.iter().map(|(x, y)| self.place(*x, *y)).collect();
        format!("<polyline class=\"line {}{more}\" points=\"{}\"/>", one.colour, points.join(" "))
    }

    fn place(&self, x: f64, y: f64) -> String {
        format!("{:.1},{:.1}", self.x_of(x), self.y_of(y))
    }

    fn x_of(&self, x: f64) -> f64 {
        LEFT + self.x.part(x) * (WIDTH - LEFT - RIGHT)
    }

    fn y_of(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.part(y) * (HEIGHT - TOP - BOTTOM)
    }

    fn framed(&self, drawn: &str) -> String {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let mut frame = String::new();
        for tick in self.y.ticks() {
            let y = self.y_of(tick);
            frame += &format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            frame += &format!("<text x=\"{}\" y=\"{:.1}\" class=\"end\">{}</text>", LEFT - 6.0, y + 4.0, label(tick));
        }
        let mut axis = String::new();
        for tick in self.x.ticks() {
            let x = self.x_of(tick);
            axis += &format!("<path class=\"axis\" d=\"M{x:.1} {bottom}v4\"/>");
            axis += &format!("<text x=\"{x:.1}\" y=\"{}\" class=\"middle\">{}</text>", bottom + 17.0, label(tick));
        }
        axis += &format!("<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>");
        let units = format!(
            "<text x=\"4\" y=\"13\" class=\"unit\">{}</text><text x=\"{right}\" y=\"{}\" class=\"unit end\">{}</text>",
            self.y.unit,
            HEIGHT - 6.0,
            self.x.unit
        );
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{frame}{drawn}{axis}{units}</svg>",
            self.title
        )
    }
}

/// A number as short as it can be said.
fn label(value: f64) -> String {
    match value {
        v if v >= 1_000_000.0 => format!("{}M", v / 1_000_000.0),
        v if v >= 10_000.0 => format!("{}k", v / 1_000.0),
        v => format!("{}", (v * 100.0).round() / 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_on_a_round_number_and_its_ticks_reach_both_ends() {
        for (most, to, ticks) in
            [(500.0, 500.0, 6), (7.3, 8.0, 5), (0.0, 1.0, 6), (9_999.0, 10_000.0, 6), (1.0, 1.0, 6)]
        {
            let axis = Axis::up_to("", most);
            assert!((axis.to - to).abs() <= to * 1e-9, "{most}: {}", axis.to);
            assert_eq!(axis.ticks().len(), ticks, "{most}: {:?}", axis.ticks());
        }
        let decades = Axis::decades("ms", 3.0, 1_200.0);
        assert_eq!((decades.from, decades.to, decades.ticks().len()), (1.0, 10_000.0, 5));
    }

    #[test]
    fn a_value_is_where_it_belongs() {
        let log = Axis::decades("", 1.0, 100.0);
        assert!((log.part(10.0) - 0.5).abs() < 1e-9 && log.part(0.0) == 0.0 && log.part(1e9) == 1.0);
        let linear = Axis::up_to("", 10.0);
        assert!((linear.part(2.5) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (0.25, "0.25"), (500.0, "500"), (1500.0, "1500"), (20_000.0, "20k"), (2e6, "2M")]
        {
            assert_eq!(label(value), text);
        }
    }
}
