//! Lines written and read: a protobuf LogGroup in, JSON out.

use serde_json::{Map, Value as Json, json};

use super::{nothing, part};
use crate::{
    Kind,
    context::Context,
    refusal::{Answer, Refusal, bad},
};

pub(super) fn put(context: &mut Context<'_>) -> Answer {
    let id = part(context, Kind::Logstore, context.params.need("logstore")?)?
        .id
        .clone();
    let body = match &context.compression {
        None => context.body.to_vec(),
        Some((kind, size)) => unpack(kind, *size, &context.body)?,
    };
    let lines = parse(&body).ok_or_else(|| Refusal::new(400, "PostBodyInvalid", "The body is no LogGroup."))?;
    context
        .edit(Kind::Logstore, &id)
        .rows
        .extend(lines.iter().map(Json::to_string));
    nothing()
}

fn unpack(kind: &str, size: usize, body: &[u8]) -> Answer<Vec<u8>> {
    let unpacked = match kind {
        "lz4" => lz4_flex::block::decompress(body, size).ok(),
        _ => return bad("InvalidCompressType", format!("compress type {kind} is not supported")),
    };
    match unpacked {
        Some(bytes) if bytes.len() == size => Ok(bytes),
        _ => bad(
            "PostBodyUncompressError",
            "The body cannot be uncompressed, or x-log-bodyrawsize is not its size.",
        ),
    }
}

pub(super) fn get(context: &Context<'_>) -> Answer {
    let store = part(context, Kind::Logstore, context.params.need("logstore")?)?;
    if !store.attrs.contains_key("index") {
        return bad("IndexConfigNotExist", "logstore without index config");
    }
    let query = context
        .params
        .text("query")
        .unwrap_or_default()
        .trim_matches(['*', ' ']);
    let rows = store
        .rows
        .iter()
        .filter(|row| row.contains(query))
        .filter_map(|row| serde_json::from_str::<Json>(row).ok());
    let offset = usize::try_from(context.params.int("offset").unwrap_or(0)).unwrap_or(0);
    let count = usize::try_from(context.params.int("line").unwrap_or(100)).unwrap_or(100);
    let data: Vec<_> = rows.skip(offset).take(count).collect();
    Ok(
        json!({"meta": {"progress": "Complete", "count": data.len(), "isAccurate": true, "hasSQL": false}, "data": data}),
    )
}

/// A field of a protobuf message: its number, and its bytes or its value.
enum Field<'a> {
    Bytes(u64, &'a [u8]),
    Value(u64, u64),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let width = match tag & 7 {
            0 => {
                fields.push(Field::Value(tag >> 3, varint(&mut bytes)?));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (field, rest) = bytes.split_at_checked(width)?;
        bytes = rest;
        fields.push(Field::Bytes(tag >> 3, field));
    }
    Some(fields)
}

fn pair(bytes: &[u8]) -> Option<(String, String)> {
    let (mut key, mut value) = (None, None);
    for field in fields(bytes)? {
        match field {
            Field::Bytes(1, text) => key = Some(String::from_utf8_lossy(text).into_owned()),
            Field::Bytes(2, text) => value = Some(String::from_utf8_lossy(text).into_owned()),
            _ => {}
        }
    }
    Some((key?, value?))
}

/// The lines of a LogGroup, each an object of texts, as they are read back.
fn parse(body: &[u8]) -> Option<Vec<Json>> {
    let mut lines = Vec::new();
    let mut common = Map::new();
    for field in fields(body)? {
        match field {
            Field::Bytes(1, log) => {
                let mut line = Map::new();
                for field in fields(log)? {
                    match field {
                        Field::Value(1, time) => {
                            line.insert("__time__".into(), time.to_string().into());
                        }
                        Field::Bytes(2, content) => {
                            let (key, value) = pair(content)?;
                            line.insert(key, value.into());
                        }
                        _ => {}
                    }
                }
                lines.push(line);
            }
            Field::Bytes(3, topic) => {
                common.insert("__topic__".into(), String::from_utf8_lossy(topic).into());
            }
            Field::Bytes(4, source) => {
                common.insert("__source__".into(), String::from_utf8_lossy(source).into());
            }
            Field::Bytes(6, tag) => {
                let (key, value) = pair(tag)?;
                common.insert(format!("__tag__:{key}"), value.into());
            }
            _ => {}
        }
    }
    let whole = lines.into_iter().map(|mut line| {
        line.extend(common.clone());
        Json::Object(line)
    });
    Some(whole.collect())
}
