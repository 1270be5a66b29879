//! A row of the table as data: what is done, one step after the other, and what has to come of it.

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What works where it is good.
    pub name: &'static str,
    /// What comes of it, in words.
    pub expected: &'static str,
    /// Whose cookies go along; a name that appears first begins without any.
    pub who: &'static str,
    /// What is done.
    pub steps: &'static [Step],
}

/// A step. `{name}` in it is what [`Step::Take`] has found, or one of the shop's own: host, admin,
/// `admin_password`, customer, `customer_password`, `api_user`, `api_key`.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Asks for a page, which has this status.
    Get(u16, &'static str),
    /// Asks for a page, whatever its status is: some engines prepare at the first request what the
    /// next one gets.
    Try(&'static str),
    /// Asks for a page with more header lines, each ended by CR LF.
    GetWith(u16, &'static str, &'static str),
    /// Asks for what is no document: the answer is 403 or 404.
    Hidden(&'static str),
    /// Sends a form.
    Post(u16, &'static str, &'static str),
    /// Sends JSON, with more header lines.
    Json(u16, &'static str, &'static str, &'static str),
    /// Sends XML.
    Xml(u16, &'static str, &'static str),
    /// Sends XML, with more header lines.
    XmlWith(u16, &'static str, &'static str, &'static str),
    /// Sends a picture of 3 MB in this field, with the form's key, `{form_key}`.
    Upload(u16, &'static str, &'static str),
    /// Goes where the last answer leads, to a page of this status.
    Follow(u16),
    /// The last answer, or what was printed, has this text.
    Has(&'static str),
    /// It does not.
    Lacks(&'static str),
    /// The last answer's header has this text.
    Header(&'static str, &'static str),
    /// The last answer has at least so many bytes.
    Bytes(usize),
    /// Keeps what stands between two texts under a name.
    Take(&'static str, &'static str, &'static str),
    /// Keeps a cookie, as a page's script does.
    Cookie(&'static str, &'static str),
    /// Steps that only a real one has.
    Real(&'static [Step]),
    /// Steps that only the stand-in has.
    StandIn(&'static [Step]),
    /// Runs PHP in the release's directory, in pod N of those that serve.
    Php(usize, &'static str),
    /// Runs a program there.
    Run(usize, &'static [&'static str]),
    /// Asks the shop's database.
    Sql(&'static str),
    /// Asks it until its answer begins with this text; cron may need a minute.
    Until(&'static str, &'static str),
    /// Looks until a container of a pod that serves has said this.
    Log(&'static str),
}
