//! An HL7 v2 message, taken apart.

/// Segments and their fields, still escaped.
#[derive(Debug)]
pub(super) struct Message {
    segments: Vec<Vec<String>>,
}

impl Message {
    /// Decodes as MSH-18 says: UTF-8, or ISO 8859-1.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let head = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let latin = head.windows(6).any(|six| six == b"8859/1");
        let text = if latin {
            bytes.iter().map(|byte| char::from(*byte)).collect()
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        };
        let segments = text.split_terminator('\r').map(|segment| {
            let mut fields: Vec<String> = segment.split('|').map(str::to_owned).collect();
            // MSH-1 is the delimiter itself.
            if fields[0] == "MSH" {
                fields.insert(1, "|".to_owned());
            }
            fields
        });
        Self { segments: segments.collect() }
    }

    pub(super) fn segments(&self) -> &[Vec<String>] {
        &self.segments
    }

    /// Every segment of a name.
    pub(super) fn named<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Vec<String>> {
        self.segments.iter().filter(move |segment| segment[0] == name)
    }

    /// A field of the first segment of that name; empty if there is none.
    pub(super) fn field<'m>(&'m self, name: &'m str, number: usize) -> &'m str {
        self.named(name).next().and_then(|segment| segment.get(number)).map_or("", String::as_str)
    }

    /// A component of it, counted from 1.
    pub(super) fn component<'m>(&'m self, name: &'m str, number: usize, component: usize) -> &'m str {
        self.field(name, number).split('^').nth(component - 1).unwrap_or_default()
    }
}
