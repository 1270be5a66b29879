//! What is said of hosts.

use super::*;
use crate::probe::verdict::Certificate;
use observe::v1::Cause;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn measured(status: u16, seconds: u64, end: i64) -> Measurement {
    Measurement {
        certificate: Some(Certificate {
            end: Some(at(end)),
            problem: None,
        }),
        answer: Ok(Some(status)),
        took: Duration::from_secs(seconds),
    }
}

fn board() -> Board {
    let mut board = Board::default();
    for (host, status, seconds, end) in [("a.example", 200, 1, 90), ("b.example", 502, 2, 80)] {
        let host: Arc<str> = host.into();
        let verdict = match status {
            200 => Verdict::Up,
            _ => Verdict::Down(Cause::Status, "the answer is 502".to_owned()),
        };
        let place = (&host, "acme", Vantage::Inside);
        board.probed(place, &measured(status, seconds, end), &verdict, at(1));
        if verdict != Verdict::Up {
            board.set_availability(&host, "acme", Vantage::Inside, Availability::Down(at(1)));
        }
    }
    board
}

#[test]
fn a_shop_is_as_its_worst_host() {
    let board = board();
    let figures = &board.figures()["acme"];
    assert_eq!((figures.hosts, figures.hosts_down), (2, 1));
    assert_eq!(
        figures.views,
        [(Vantage::Inside, (false, Some(2.0)))].into()
    );
    assert_eq!(figures.certificate_end, Some(at(80)));
    assert_eq!(figures.causes, [(Vantage::Inside, Cause::Status)].into());
    assert_eq!(
        figures.problem.as_deref(),
        Some("b.example (inside): the answer is 502")
    );
    assert_eq!(board.counts(), [(Vantage::Inside, (2, 1))].into());
    assert_eq!(board.fleet_down(), [(Vantage::Inside, false)].into());
    let hosts = board.of_shop("acme");
    assert_eq!(hosts[1].probes[0].status, Some(502));
    assert_eq!(hosts[1].certificate_end, Some(at(80)));
    assert_eq!(board.of_shop("other"), []);
}

#[test]
fn of_several_causes_the_one_nearest_to_the_shop_is_told() {
    let mut board = board();
    let host: Arc<str> = "c.example".into();
    for (cause, told) in [
        (Cause::Dns, Cause::Status),
        (Cause::Certificate, Cause::Status),
        (Cause::Broken, Cause::Broken),
    ] {
        let place = (&host, "acme", Vantage::Inside);
        let verdict = Verdict::Down(cause, "it is down".to_owned());
        board.probed(place, &measured(0, 1, 90), &verdict, at(2));
        board.set_availability(&host, "acme", Vantage::Inside, Availability::Down(at(2)));
        assert_eq!(
            board.figures()["acme"].causes,
            [(Vantage::Inside, told)].into()
        );
    }
    // As a process finds it that was just started: not probed yet.
    let mut board = Board::default();
    board.set_availability(&host, "acme", Vantage::Outside, Availability::Down(at(1)));
    assert_eq!(board.figures()["acme"].causes, [].into());
    board.is_down_for(&host, "acme", Vantage::Outside, Cause::Dns);
    assert_eq!(
        board.figures()["acme"].causes,
        [(Vantage::Outside, Cause::Dns)].into()
    );
    board.set_availability(&host, "acme", Vantage::Outside, Availability::Up);
    assert_eq!(board.figures()["acme"].causes, [].into());
}

#[test]
fn what_is_not_probed_any_more_is_forgotten_and_told_if_it_was_down() {
    let mut board = board();
    let were_down = board.keep(|host, _| host == "a.example");
    assert_eq!(were_down, [("b.example".into(), Vantage::Inside)]);
    assert_eq!(board.of_shop("acme").len(), 1);
    assert_eq!(board.keep(|_, vantage| vantage == Vantage::Outside), []);
    assert_eq!(board.figures().len(), 0);
}

#[test]
fn the_delay_is_that_of_99_in_100() {
    let mut board = Board::default();
    for millis in 0..1000 {
        board.began(Duration::from_millis(millis));
    }
    board.minute();
    assert_eq!(board.delay(), Duration::from_millis(989));
    board.minute();
    assert_eq!(board.delay(), Duration::ZERO);
}
