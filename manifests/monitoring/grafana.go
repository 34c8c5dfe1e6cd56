package monitoring

import (
	"bytes"
	"encoding/json"
	"strings"
)

// object is a JSON object; Grafana's format has no schema that is worth a type.
type object = map[string]any

// JSON is the dashboard as Grafana 10 and later import it.
func (d Dashboard) JSON() ([]byte, error) {
	panels := []object{}
	d.each(func(title string, p *Panel, at object) {
		id := len(panels) + 1
		if p == nil {
			panels = append(panels, object{"id": id, "type": "row", "title": title, "collapsed": false, "panels": []any{}, "gridPos": at})
			return
		}
		panels = append(panels, p.grafana(id, at))
	})
	page := object{
		"uid": d.UID, "title": d.Title, "description": d.About, "tags": []string{"tidemill"}, "schemaVersion": 39, "version": 1, "editable": true,
		"timezone": "browser", "refresh": "30s", "time": object{"from": "now-6h", "to": "now"}, "panels": panels,
		"templating":  object{"list": d.variables()},
		"annotations": object{"list": []any{}},
		"links": []object{{"type": "dashboards", "tags": []string{"tidemill"}, "title": "tidemill", "asDropdown": false, "includeVars": true, "keepTime": true,
			"icon": "external link", "targetBlank": false, "tooltip": "", "url": ""},
			{"type": "link", "title": "runbooks", "icon": "doc", "targetBlank": true, "includeVars": false, "keepTime": false, "asDropdown": false, "tags": []string{},
				"tooltip": "for each alert: what it means, what to look at, what to do", "url": runbooks}},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(page)
	return b.Bytes(), err
}

// each visits rows, which have no panel, and panels, from left to right and from top to bottom, with
// their places.
func (d Dashboard) each(visit func(title string, p *Panel, at object)) {
	y := 0
	for _, r := range d.Rows {
		visit(r.Title, nil, place(24, 1, 0, y))
		y++
		x, height := 0, 0
		for _, p := range r.Panels {
			w, h := p.size()
			if x+w > 24 {
				x, y, height = 0, y+height, 0
			}
			visit(p.Title, &p, place(w, h, x, y))
			x, height = x+w, max(height, h)
		}
		y += height
	}
}

// variables are the choices at the top: where the data is, and which pools if any
// panel asks.
func (d Dashboard) variables() []object {
	vars := []object{{"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus", "current": object{}, "hide": 0}}
	for _, r := range d.Rows {
		for _, p := range r.Panels {
			if strings.Contains(p.Queries[0].Expr, "$pool") {
				return append(vars, object{
					"name": "pool", "label": "pool", "type": "query", "datasource": source, "query": "label_values(tidemill_pool_nodes, pool)", "definition": "label_values(tidemill_pool_nodes, pool)",
					"refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*", "current": object{"text": []string{"All"}, "value": []string{"$__all"}},
				})
			}
		}
	}
	return vars
}

var source = object{"type": "prometheus", "uid": "${datasource}"}

func place(w, h, x, y int) object { return object{"w": w, "h": h, "x": x, "y": y} }

// size is in Grafana's grid of 24 columns.
func (p Panel) size() (w, h int) {
	if p.Look == Number {
		return 4, 4
	}
	return 8, 8
}

func (p Panel) grafana(id int, at object) object {
	look, defaults := p.Look, object{"unit": string(p.Unit), "custom": object{}}
	options := object{}
	switch p.Look {
	case Stack:
		look = Lines
		defaults["custom"] = object{"fillOpacity": 30, "stacking": object{"mode": "normal", "group": "A"}}
	case Number:
		options = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "none"}
	case Lines:
		defaults["min"] = 0
	}
	if len(p.Steps) > 0 {
		defaults["thresholds"] = thresholds(p.Steps)
		if look == Lines { // a line across the picture; the colours tell the lines apart
			defaults["custom"] = object{"thresholdsStyle": object{"mode": "line"}}
		} else {
			defaults["color"] = object{"mode": "thresholds"}
		}
		if p.Look == Number {
			options["colorMode"] = "background"
		}
	}
	links := []object{}
	for _, a := range p.runbooks() {
		links = append(links, object{"title": a.Name, "url": a.Runbook(), "targetBlank": true})
	}
	if look == Lines {
		options = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	}
	var targets []object
	for i, q := range p.Queries {
		t := object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr, "legendFormat": q.Legend, "range": true}
		if p.Look == Table {
			t["instant"], t["range"], t["format"] = true, false, "table"
		}
		targets = append(targets, t)
	}
	return object{
		"id": id, "type": string(look), "title": p.Title, "description": p.About, "datasource": source, "gridPos": at,
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}}, "options": options, "targets": targets, "links": links,
	}
}
