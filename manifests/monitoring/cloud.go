package monitoring

func cloud() Dashboard {
	return Dashboard{UID: "tidemill-cloud", Title: "tidemill / cloud API", About: "Whether OKE and Compute answer, how fast, and how much is asked of them.", Rows: []Row{
		{"Calls", []Panel{
			one("Calls by operation", "Of tidemill's own contract; retries are one call.", PerSec, Stack, `sum by (op) (rate(tidemill_cloud_calls_total[$__rate_interval]))`, "{{op}}"),
			one("Calls by result", "Conflict is somebody else's change and is tried again; unauthorized is a policy that lacks a statement.", PerSec, Stack,
				`sum by (result) (rate(tidemill_cloud_calls_total{result!="ok"}[$__rate_interval]))`, "{{result}}"),
			one("Share that fails", "Of reads and writes, what ended in an error that is nobody's choice.", Share, Lines,
				`sum(rate(tidemill_cloud_calls_total{result=~"error|throttled|unauthorized"}[$__rate_interval])) / sum(rate(tidemill_cloud_calls_total[$__rate_interval]))`, "failing").from(0.1, 0.5),
			one("Duration by operation", "9 of 10 calls take less, retries included.", Seconds, Lines,
				`histogram_quantile(0.9, sum by (le, op) (rate(tidemill_cloud_call_duration_seconds_bucket[$__rate_interval])))`, "{{op}}"),
			one("Age of the data", "Seconds when all is well; decisions say how old their data is.", Seconds, Lines,
				`max(tidemill_cloud_data_age_seconds and on (instance) tidemill_leader == 1)`, "age").from(120, 600),
		}},
		{"Requests to OCI", []Panel{
			one("Requests by status", "Each try is one: this is what OCI's rate limits count.", PerSec, Stack, `sum by (status) (rate(tidemill_oci_requests_total[$__rate_interval]))`, "{{status}}"),
			one("Requests by operation", "", PerSec, Stack, `sum by (op) (rate(tidemill_oci_requests_total[$__rate_interval]))`, "{{op}}"),
			one("Looks", "The mirror's, by result.", PerSec, Lines, `sum by (result) (rate(tidemill_mirror_looks_total[$__rate_interval]))`, "{{result}}"),
		}},
	}}
}
