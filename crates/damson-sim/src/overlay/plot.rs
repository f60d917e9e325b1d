//! A picture of a run, as SVG: reliability and redundancy by message, distances, last hops.

use std::fmt::Write;

use super::measures::{Figures, Row, Shape};
use super::options::OverlayOptions;

const PANEL: (f64, f64) = (460.0, 240.0);
const MARGIN: f64 = 56.0;
/// Colors, and the sizes of dots: where two coincide both show.
const STYLES: [(&str, f64); 2] = [("#b0508f", 3.5), ("#2f6d3a", 1.5)];

/// A line or a row of dots in a panel.
struct Series {
    name: &'static str,
    points: Vec<(f64, f64)>,
    dots: bool,
}

/// Axes with some series.
struct Panel {
    title: String,
    x: &'static str,
    y: &'static str,
    series: Vec<Series>,
    /// The least range of the upright axis.
    y_range: (f64, f64),
}

pub(crate) fn plot(options: &OverlayOptions, figures: &Figures) -> String {
    let panels = [
        reliability(options, &figures.rows),
        redundancy(&figures.rows),
        distances(figures),
        hops(&figures.rows),
    ];
    let (width, height) = (2.0 * (PANEL.0 + MARGIN) + MARGIN, 2.0 * (PANEL.1 + 1.5 * MARGIN) + MARGIN);
    let command = options.command();
    // The line is long.
    let (first, second) = command.split_at(command.find("--churn").unwrap_or(0));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"28\" font-size=\"13\">{}</text>\n\
         <text x=\"{MARGIN}\" y=\"46\" font-size=\"13\">{}</text>\n",
        escaped(first),
        escaped(second)
    );
    for (at, panel) in panels.iter().enumerate() {
        let (column, row) = ((at % 2) as f64, (at / 2) as f64);
        let left = MARGIN + column * (PANEL.0 + MARGIN);
        let top = 1.5 * MARGIN + row * (PANEL.1 + 1.5 * MARGIN);
        panel.draw(left, top, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn by_time(rows: &[Row], y: impl Fn(&Row) -> Option<f64>) -> Vec<(f64, f64)> {
    rows.iter().filter_map(|row| Some((row.sent_s, y(row)?))).collect()
}

fn reliability(options: &OverlayOptions, rows: &[Row]) -> Panel {
    let all = by_time(rows, |row| Some(row.reliability_pct));
    let giant = by_time(rows, |row| row.of_giant.map(|part| 100.0 * part));
    Panel {
        title: format!("Reliability of each message, {} % failed at 0 s", options.fail_pct),
        x: "sent, s",
        y: "% of nodes",
        series: vec![
            Series { name: "living", points: all, dots: true },
            Series { name: "of the giant component", points: giant, dots: true },
        ],
        y_range: (90.0, 100.0),
    }
}

fn redundancy(rows: &[Row]) -> Panel {
    Panel {
        title: "Relative message redundancy".into(),
        x: "sent, s",
        y: "RMR",
        series: vec![Series { name: "RMR", points: by_time(rows, |row| row.rmr), dots: true }],
        y_range: (0.0, 0.1),
    }
}

fn distances(figures: &Figures) -> Panel {
    let line = |shape: &Shape| {
        let pairs: u64 = shape.distances.histogram.iter().sum();
        let part = |pairs_here: &u64| 100.0 * *pairs_here as f64 / pairs.max(1) as f64;
        (0..).map(f64::from).zip(shape.distances.histogram.iter().map(part)).collect()
    };
    Panel {
        title: "Distances before the failures".into(),
        x: "hops",
        y: "% of pairs",
        series: vec![
            Series { name: "overlay", points: line(&figures.overlay), dots: false },
            Series { name: "random regular graph", points: line(&figures.random_regular), dots: false },
        ],
        y_range: (0.0, 10.0),
    }
}

fn hops(rows: &[Row]) -> Panel {
    Panel {
        title: "Last delivery hop".into(),
        x: "sent, s",
        y: "hops",
        series: vec![
            Series {
                name: "last delivery",
                points: by_time(rows, |row| Some(f64::from(row.ldh))),
                dots: true,
            },
            Series {
                name: "sender's eccentricity",
                points: by_time(rows, |row| Some(f64::from(row.eccentricity))),
                dots: true,
            },
        ],
        y_range: (0.0, 5.0),
    }
}

impl Panel {
    fn draw(&self, left: f64, top: f64, out: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_max = points().map(|(x, _)| *x).fold(1.0, f64::max);
        let low = points().map(|(_, y)| *y).fold(self.y_range.0, f64::min);
        let high = points().map(|(_, y)| *y).fold(self.y_range.1, f64::max);
        let place = |(x, y): (f64, f64)| {
            (left + x / x_max * PANEL.0, top + PANEL.1 - (y - low) / (high - low) * PANEL.1)
        };
        self.draw_axes(left, top, x_max, (low, high), out);
        for (at, series) in self.series.iter().enumerate() {
            let (color, size) = STYLES[at % STYLES.len()];
            let (x, y) = (left + PANEL.0 - 8.0, top + 16.0 + 16.0 * at as f64);
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"{color}\">{}</text>",
                series.name
            )
            .expect("memory");
            series.draw(color, size, place, out);
        }
    }

    fn draw_axes(&self, left: f64, top: f64, x_max: f64, (low, high): (f64, f64), out: &mut String) {
        let (width, height) = PANEL;
        let Self { title, x, y, .. } = self;
        let (title, bottom) = (escaped(title), top + height);
        writeln!(
            out,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#888\"/>\n\
             <text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}, {y}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{x}</text>",
            top - 8.0,
            left + width,
            bottom + 30.0
        )
        .expect("memory");
        for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let (at_x, at_y) = (left + part * width, bottom - part * height);
            writeln!(
                out,
                "<text x=\"{at_x}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                bottom + 15.0,
                tick(part * x_max),
                left - 4.0,
                at_y + 4.0,
                tick(low + part * (high - low))
            )
            .expect("memory");
        }
    }
}

impl Series {
    fn draw(&self, color: &str, size: f64, place: impl Fn((f64, f64)) -> (f64, f64), out: &mut String) {
        let placed = self.points.iter().map(|point| place(*point));
        if self.dots {
            placed.for_each(|(x, y)| {
                writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"{color}\"/>")
                    .expect("memory");
            });
        } else {
            let line: Vec<String> = placed.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\"/>", line.join(" "))
                .expect("memory");
        }
    }
}

fn tick(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
