//! Calls against the size of the network, as a picture.

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 48.0;

/// Most calls that the picture has room for: the budget of a search.
const CALLS: f64 = 70.0;

const LINES: [(&str, &str); 3] = [
    ("a hit, 0.1 % have it", "#1b7f5c"),
    ("one copy, with a directory", "#2a5db0"),
    ("a miss", "#b03a2e"),
];

/// Returns the picture: for each size the calls of each line.
pub(crate) fn svg(sizes: &[(usize, [f64; 3])]) -> String {
    let least = sizes.first().map_or(1.0, |(nodes, _)| *nodes as f64);
    let most = sizes.last().map_or(10.0, |(nodes, _)| *nodes as f64);
    let x = |nodes: f64| LEFT + (nodes / least).ln() / (most / least).ln() * (WIDTH - LEFT - RIGHT);
    let y = |calls: f64| HEIGHT - BOTTOM - calls / CALLS * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Calls of one search against the number of nodes</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for calls in [0.0, 16.0, 32.0, 48.0, 64.0] {
        let (at, end) = (y(calls), WIDTH - RIGHT);
        svg.push_str(&format!(
            "<path d=\"M{LEFT} {at:.1}H{end}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{calls}</text>\n",
            LEFT - 8.0,
            at + 4.0
        ));
    }
    for nodes in [10_u32, 100, 1_000, 10_000, 100_000] {
        let at = x(f64::from(nodes));
        svg.push_str(&format!(
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
            HEIGHT - BOTTOM + 18.0,
            grouped(nodes)
        ));
    }
    for (line, (name, colour)) in LINES.iter().enumerate() {
        let points = sizes
            .iter()
            .map(|(nodes, calls)| format!("{:.1},{:.1}", x(*nodes as f64), y(calls[line])));
        let points: Vec<String> = points.collect();
        let last = sizes.last().map_or(0.0, |(_, calls)| calls[line]);
        svg.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{name}: {last:.1}</text>\n",
            points.join(" "),
            WIDTH - RIGHT + 8.0,
            y(last) + 4.0
        ));
    }
    svg.push_str(&format!(
        "<text x=\"{LEFT}\" y=\"{}\">nodes; calls of one search, mean of 1,000</text>\n</svg>\n",
        HEIGHT - 8.0
    ));
    svg
}

fn grouped(number: u32) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},000", number / 1_000)
    }
}
