//! The picture in docs/measurements.md: reservations a second of each way, with a commit as it is and with a slow one, on a
//! logarithmic scale. Its colours follow the reader's page, light or dark, by
//! a media query, which `plotters` cannot write.

use std::fmt::Write as _;

use super::t1::Cell;
use super::table::whole;
use super::variant::VARIANTS;

const CLIENTS: usize = 64;
const LEFT: f64 = 260.0;
const WIDTH: f64 = 560.0;
const ROW: f64 = 34.0;
const TOP: f64 = 46.0;
/// Each decade from 10 to 100 000 a second has the same width.
const DECADES: (f64, f64) = (1.0, 5.0);

/// The SVG of a run's cells with one hot SKU.
#[must_use]
pub fn svg(cells: &[Cell]) -> String {
    let at = |variant: &str, commit_ms: u64| {
        cells.iter().find(|cell| {
            cell.variant == variant && cell.clients == CLIENTS && cell.skus == 1 && cell.commit_ms == commit_ms
        })
    };
    let rows: Vec<_> = VARIANTS.iter().filter(|variant| at(variant.name, 0).is_some()).collect();
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = head(bottom);
    for decade in 1..=5_i32 {
        let x = x_of(10_f64.powi(decade));
        let _ = writeln!(svg, r#"<line class="grid" x1="{x:.0}" y1="{TOP}" x2="{x:.0}" y2="{bottom}"/>"#);
        let y = bottom + 18.0;
        let _ = writeln!(
            svg,
            r#"<text class="axis" x="{x:.0}" y="{y}" text-anchor="middle">{}</text>"#,
            whole(10_f64.powi(decade))
        );
    }
    for (n, variant) in rows.iter().enumerate() {
        let y = TOP + ROW * n as f64;
        let (x, middle) = (LEFT - 10.0, y + ROW / 2.0 + 4.0);
        let _ = writeln!(svg, r#"<text x="{x}" y="{middle}" text-anchor="end">{}</text>"#, variant.label);
        for (commit_ms, class, top) in [(0, "as-is", y + 4.0), (3, "slow", y + ROW / 2.0)] {
            let Some(cell) = at(variant.name, commit_ms) else { continue };
            let width = (x_of(cell.reservations_per_s) - LEFT).max(1.0);
            let height = ROW / 2.0 - 5.0;
            let _ =
                writeln!(svg, r#"<rect class="{class}" x="{LEFT}" y="{top}" width="{width:.0}" height="{height}"/>"#);
            let (x, y) = (LEFT + width + 6.0, top + height - 1.0);
            let _ =
                writeln!(svg, r#"<text class="number" x="{x:.0}" y="{y}">{}</text>"#, whole(cell.reservations_per_s));
        }
    }
    svg + "</svg>\n"
}

fn x_of(per_s: f64) -> f64 {
    let (from, to) = DECADES;
    LEFT + WIDTH * ((per_s.max(1.0).log10() - from) / (to - from)).clamp(0.0, 1.0)
}

fn head(bottom: f64) -> String {
    let (width, height) = (LEFT + WIDTH + 70.0, bottom + 34.0);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13">
<style>
text {{ fill: #24292f; }} .axis, .number {{ font-size: 11px; fill: #57606a; }}
.grid {{ stroke: #d0d7de; }} .as-is {{ fill: #0969da; }} .slow {{ fill: #bf8700; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }} .axis, .number {{ fill: #9198a1; }} .grid {{ stroke: #3d444d; }}
.as-is {{ fill: #4493f8; }} .slow {{ fill: #d29922; }} }}
</style>
<title>Reservations a second of one hot SKU, {CLIENTS} clients, logarithmic scale</title>
<rect class="as-is" x="{LEFT}" y="16" width="12" height="12"/><text x="278" y="26">a commit as it is</text>
<rect class="slow" x="430" y="16" width="12" height="12"/><text x="448" y="26">a commit of 3 ms</text>
<text class="axis" x="590" y="26">reservations a second, one hot SKU, {CLIENTS} clients</text>
"##
    )
}
