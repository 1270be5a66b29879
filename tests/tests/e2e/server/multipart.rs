//! Uploads in parts.

use super::client::{client, failure, start};
use aws_sdk_s3::{
    Client,
    types::{CompletedMultipartUpload, CompletedPart},
};

async fn begin(client: &Client) -> String {
    let upload = client
        .create_multipart_upload()
        .bucket("releases")
        .key("big")
        .send()
        .await
        .unwrap();
    upload.upload_id().unwrap().to_owned()
}

async fn part(client: &Client, upload: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let part = client
        .upload_part()
        .bucket("releases")
        .key("big")
        .upload_id(upload)
        .part_number(number)
        .body(body.into());
    let part = part.send().await.unwrap();
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag)
        .build()
}

fn parts(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.into_iter().collect()))
        .build()
}

#[tokio::test]
async fn parts_become_one_object_in_their_order() {
    let server = start();
    let client = client(&server);
    let upload = begin(&client).await;
    let second = part(&client, &upload, 2, b"end".to_vec()).await;
    let first = part(&client, &upload, 1, vec![7; 5 << 20]).await;
    let listed = client
        .list_parts()
        .bucket("releases")
        .key("big")
        .upload_id(&upload)
        .send()
        .await
        .unwrap();
    assert_eq!(
        listed
            .parts()
            .iter()
            .filter_map(aws_sdk_s3::types::Part::size)
            .collect::<Vec<_>>(),
        [5 << 20, 3]
    );
    assert_eq!(
        (server.keys().len(), server.uploads()),
        (0, vec!["big".to_owned()])
    );
    let done = client
        .complete_multipart_upload()
        .bucket("releases")
        .key("big")
        .upload_id(&upload);
    let done = done
        .multipart_upload(parts([first, second]))
        .send()
        .await
        .unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let object = server.get("big").unwrap();
    assert_eq!(
        (object.len(), &object[5 << 20..]),
        ((5 << 20) + 3, &b"end"[..])
    );
    let across = client
        .get_object()
        .bucket("releases")
        .key("big")
        .range("bytes=5242879-5242881")
        .send()
        .await
        .unwrap();
    assert_eq!(across.body.collect().await.unwrap().to_vec(), b"\x07en");
    assert_eq!(server.uploads().len(), 0);
}

#[tokio::test]
async fn an_upload_can_be_refused_by_a_condition() {
    let server = start();
    let client = client(&server);
    let upload = begin(&client).await;
    let only = part(&client, &upload, 1, b"text".to_vec()).await;
    server.put("big", "there already");
    let done = client
        .complete_multipart_upload()
        .bucket("releases")
        .key("big")
        .upload_id(&upload)
        .if_none_match("*");
    assert_eq!(
        failure(done.multipart_upload(parts([only])).send().await),
        (Some(412), "PreconditionFailed".into())
    );
    assert_eq!(server.get("big").unwrap(), "there already");
}

#[tokio::test]
async fn small_parts_wrong_order_and_unknown_parts_are_refused() {
    let server = start();
    let client = client(&server);
    let upload = begin(&client).await;
    let first = part(&client, &upload, 1, b"small".to_vec()).await;
    let second = part(&client, &upload, 2, b"end".to_vec()).await;
    let strange = CompletedPart::builder()
        .part_number(3)
        .e_tag("\"abc\"")
        .build();
    for (chosen, code) in [
        (vec![first.clone(), second.clone()], "EntityTooSmall"),
        (vec![second, first], "InvalidPartOrder"),
        (vec![strange], "InvalidPart"),
    ] {
        let done = client
            .complete_multipart_upload()
            .bucket("releases")
            .key("big")
            .upload_id(&upload);
        assert_eq!(
            failure(done.multipart_upload(parts(chosen)).send().await),
            (Some(400), code.into())
        );
    }
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let server = start();
    let client = client(&server);
    let upload = begin(&client).await;
    client
        .abort_multipart_upload()
        .bucket("releases")
        .key("big")
        .upload_id(&upload)
        .send()
        .await
        .unwrap();
    assert_eq!(server.uploads().len(), 0);
    let late = client
        .upload_part()
        .bucket("releases")
        .key("big")
        .upload_id(&upload)
        .part_number(1)
        .body(b"x".to_vec().into());
    assert_eq!(
        failure(late.send().await),
        (Some(404), "NoSuchUpload".into())
    );
}
