"""HTTP requests to addresses that clients name, guarded against server-side request forgery: which addresses are public
(``addresses``, pure), how a name becomes checked addresses (``resolver``, ``network``), what a URL may be (``targets``,
pure), and the requests themselves (``client``)."""
