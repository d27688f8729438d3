package draw_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

func dinner() draw.Graph {
	return draw.Graph{
		Name: "Dinner",
		Nodes: []draw.Node{
			{ID: "dinner", State: "blocked", Look: draw.Blocked},
			{ID: "soup", State: "failed", Look: draw.Failed, Duration: 90 * time.Second, Note: "the stove is cold"},
			{ID: "bread", State: "in place", Look: draw.InPlace},
		},
		Edges: []draw.Edge{{From: "dinner", To: "soup"}, {From: "dinner", To: "bread"}},
	}
}

func ExampleDOT() {
	if err := draw.DOT(os.Stdout, dinner()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// digraph "Dinner" {
	// 	node [shape=box];
	// 	"dinner" [label="dinner\nblocked",style=dashed];
	// 	"soup" [label="soup\nfailed, 1m 30s",style=filled,color=red,fontcolor=white,tooltip="the stove is cold"];
	// 	"bread" [label="bread\nin place",style=filled,color=green];
	// 	"dinner" -> "soup";
	// 	"dinner" -> "bread";
	// }
}

func ExampleMermaid() {
	if err := draw.Mermaid(os.Stdout, dinner()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ---
	// title: "Dinner"
	// ---
	// flowchart TB
	//   n0["dinner<br/>blocked"]
	//   class n0 blocked
	//   n1["soup<br/>failed#44; 1m 30s"]
	//   class n1 failed
	//   n2["bread<br/>in place"]
	//   class n2 in-place
	//   n0 --> n1
	//   n0 --> n2
	//   classDef in-place fill:#dafbe1,stroke:#1a7f37,color:#0b4a1c
	//   classDef failed fill:#cf222e,stroke:#82071e,color:#ffffff
	//   classDef blocked fill:#ffffff,stroke:#59636e,color:#1f2328,stroke-dasharray:6 3
}

// A layout is made once; states may change as often as they like.
func ExampleArrange() {
	g := dinner()
	layout, err := draw.Arrange(g)
	if err != nil {
		log.Fatal(err)
	}
	for i, box := range layout.Boxes {
		fmt.Printf("%s: %.0f wide, at %.0f, %.0f\n", g.Nodes[i].ID, box.Width, box.X, box.Y)
	}
	g.Nodes[1].State, g.Nodes[1].Look = "achieved", draw.Achieved
	if err := draw.SVG(io.Discard, g, draw.Options{Layout: layout}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// dinner: 144 wide, at 100, 16
	// soup: 144 wide, at 16, 110
	// bread: 144 wide, at 184, 110
}

func ExampleGraph_Summary() {
	fmt.Println(dinner().Summary())
	// Output:
	// 3 jobs: 1 blocked, 1 failed, 1 in place.
}
