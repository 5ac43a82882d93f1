//! Aligned columns for people.

/// The rows under their headings, each column as wide as its widest entry.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, entry) in widths.iter_mut().zip(row) {
            *width = (*width).max(entry.chars().count());
        }
    }
    let line = |entries: [&str; N]| {
        let mut line = String::new();
        for (width, entry) in widths.iter().zip(entries) {
            line += &format!("{entry:width$}  ");
        }
        line.trim_end().to_owned() + "\n"
    };
    let rows = rows
        .iter()
        .map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    line(headings) + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let rows = [
            ["bob".to_owned(), "Jürgen".to_owned(), String::new()],
            ["a".to_owned(), "B".to_owned(), "c".to_owned()],
        ];
        assert_eq!(
            table(["USER", "NAME", "X"], &rows),
            "USER  NAME    X\nbob   Jürgen\na     B       c\n"
        );
    }
}
