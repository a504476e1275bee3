//! Rows, column by column, each column as the text of a PostgreSQL array: `{1,NULL,3}`, `{"a","say \"b\""}`
//! (<https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>).

use std::fmt::{self, Display, Write as _};

use serde::ser::{self, Impossible, Serialize, SerializeMap, SerializeStruct, Serializer};

/// The fields of each row must be among these columns and in this order: what is not is refused, not shifted. What a row leaves
/// out is NULL.
pub(super) fn of(columns: &[(&'static str, &'static str)], rows: &[impl Serialize]) -> Result<Vec<String>, Refused> {
    let mut arrays = Arrays { columns, texts: vec![String::new(); columns.len()], at: 0, key: String::new() };
    for row in rows {
        row.serialize(&mut arrays)?;
    }
    for text in &mut arrays.texts {
        match text.is_empty() {
            true => text.push('{'),
            false => text.replace_range(..1, "{"),
        }
        text.push('}');
    }
    Ok(arrays.texts)
}

struct Arrays<'a> {
    columns: &'a [(&'static str, &'static str)],
    /// Each value with a comma before it.
    texts: Vec<String>,
    /// The next column of the row at hand.
    at: usize,
    /// The field whose value comes next, where fields come as in a map.
    key: String,
}

/// Why a row cannot be written.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(why: T) -> Self {
        Self(why.to_string())
    }
}

impl Arrays<'_> {
    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Refused> {
        let place = self.columns.iter().skip(self.at).position(|(column, _)| *column == name);
        let left_out = place.ok_or_else(|| Refused(format!("{name} is no column, or has come too late")))?;
        self.leave_out(left_out);
        self.texts[self.at].push(',');
        value.serialize(Cell(&mut self.texts[self.at]))?;
        self.at += 1;
        Ok(())
    }

    fn leave_out(&mut self, count: usize) {
        for text in self.texts.iter_mut().skip(self.at).take(count) {
            text.push_str(",NULL");
        }
        self.at += count;
    }

    fn row_ends(&mut self) {
        self.leave_out(self.columns.len() - self.at);
        self.at = 0;
    }
}

impl SerializeStruct for &mut Arrays<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Refused> {
        self.row_ends();
        Ok(())
    }
}

/// A row with fields of another structure within it.
impl SerializeMap for &mut Arrays<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key.clear();
        write!(self.key, "{}", Name(key)).map_err(|_| Refused("a field without a name".to_owned()))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)?;
        self.key = key;
        Ok(())
    }

    fn end(self) -> Result<(), Refused> {
        self.row_ends();
        Ok(())
    }
}

/// The name of a field.
struct Name<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Display for Name<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

/// One value of a column.
struct Cell<'a>(&'a mut String);

impl Cell<'_> {
    fn number(self, number: impl Display) {
        // Writing into a string does not fail.
        let _: fmt::Result = write!(self.0, "{number}");
    }

    fn text(self, text: &str) {
        self.0.push('"');
        let mut rest = text;
        while let Some(place) = rest.find(['"', '\\']) {
            let (before, behind) = rest.split_at(place);
            self.0.push_str(before);
            self.0.push('\\');
            self.0.push_str(&behind[..1]);
            rest = &behind[1..];
        }
        self.0.push_str(rest);
        self.0.push('"');
    }
}

type Nothing = Impossible<(), Refused>;

/// What neither a row nor a value can be.
macro_rules! never {
    ($($name:ident($($kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<$answer, Refused> {
            Err(Refused(concat!(stringify!($name), " has no place in a row of a table").to_owned()))
        })*
    };
}

macro_rules! neither_row_nor_value {
    () => {
        type Ok = ();
        type Error = Refused;
        type SerializeSeq = Nothing;
        type SerializeTuple = Nothing;
        type SerializeTupleStruct = Nothing;
        type SerializeTupleVariant = Nothing;
        type SerializeStructVariant = Nothing;

        never! {
            serialize_f32(f32) -> ();
            serialize_f64(f64) -> ();
            serialize_bytes(&[u8]) -> ();
            serialize_unit() -> ();
            serialize_unit_struct(&'static str) -> ();
            serialize_unit_variant(&'static str, u32, &'static str) -> ();
            serialize_seq(Option<usize>) -> Nothing;
            serialize_tuple(usize) -> Nothing;
            serialize_tuple_struct(&'static str, usize) -> Nothing;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Nothing;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> Nothing;
            serialize_bool(bool) -> ();
            serialize_i8(i8) -> ();
            serialize_i16(i16) -> ();
            serialize_i32(i32) -> ();
            serialize_u8(u8) -> ();
            serialize_u16(u16) -> ();
            serialize_u32(u32) -> ();
            serialize_u64(u64) -> ();
            serialize_char(char) -> ();
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refused> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), Refused> {
            Err(Refused("a variant has no place in a row of a table".to_owned()))
        }
    };
}

impl<'a, 'b> Serializer for &'a mut Arrays<'b> {
    type SerializeMap = Self;
    type SerializeStruct = Self;
    neither_row_nor_value!();

    never! {
        serialize_i64(i64) -> ();
        serialize_str(&str) -> ();
        serialize_none() -> ();
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
}

impl Serializer for Cell<'_> {
    type SerializeMap = Nothing;
    type SerializeStruct = Nothing;
    neither_row_nor_value!();

    never! {
        serialize_map(Option<usize>) -> Nothing;
        serialize_struct(&'static str, usize) -> Nothing;
    }

    fn serialize_i64(self, value: i64) -> Result<(), Refused> {
        self.number(value);
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.text(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.0.push_str("NULL");
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::of;

    #[derive(Serialize)]
    struct Inner {
        name: Option<&'static str>,
    }

    #[derive(Serialize)]
    struct Row {
        id: i64,
        #[serde(flatten)]
        inner: Inner,
        #[serde(skip_serializing_if = "Option::is_none")]
        till: Option<i64>,
    }

    const COLUMNS: [(&str, &str); 3] = [("id", "BIGINT"), ("name", "TEXT"), ("till", "BIGINT")];

    fn row(id: i64, name: Option<&'static str>, till: Option<i64>) -> Row {
        Row { id, inner: Inner { name }, till }
    }

    #[test]
    fn each_column_is_an_array() {
        let rows =
            [row(1, Some("Ada"), None), row(-2, None, Some(7)), row(3, Some(r#"a "quoted" \ back, {slash}"#), Some(0))];
        let texts = of(&COLUMNS, &rows).unwrap();
        assert_eq!(texts, ["{1,-2,3}", r#"{"Ada",NULL,"a \"quoted\" \\ back, {slash}"}"#, "{NULL,7,0}"]);
        assert_eq!(of(&COLUMNS, &[] as &[Row]).unwrap(), ["{}", "{}", "{}"]);
        assert_eq!(of(&COLUMNS, &[row(1, Some(""), None), row(1, Some("NULL"), None)]).unwrap()[1], r#"{"","NULL"}"#);
    }

    #[test]
    fn what_a_row_leaves_out_is_null() {
        let more = [COLUMNS[0], ("before", "TEXT"), COLUMNS[1], COLUMNS[2], ("behind", "TEXT")];
        let texts = of(&more, &[row(1, Some("Ada"), None), row(2, None, Some(3))]).unwrap();
        assert_eq!(texts, ["{1,2}", "{NULL,NULL}", "{\"Ada\",NULL}", "{NULL,3}", "{NULL,NULL}"]);
    }

    #[test]
    fn a_field_in_the_place_of_another_is_refused() {
        let swapped = [COLUMNS[1], COLUMNS[0], COLUMNS[2]];
        assert!(of(&swapped, &[row(1, None, None)]).unwrap_err().to_string().contains("come too late"));
        assert!(of(&COLUMNS[..2], &[row(1, None, Some(1))]).is_err(), "one too many");
        assert!(of(&COLUMNS, &[1_i64]).is_err(), "a number is no row");
    }
}
