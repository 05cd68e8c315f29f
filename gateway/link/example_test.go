package link_test

import (
	"context"
	"fmt"
	"time"

	"tunic/gateway/link"
)

// The parent asks its child a question. In the box the child is another process,
// which inherits its end of the link as a file.
func Example() {
	conn, file, err := link.Pair()
	if err != nil {
		fmt.Println(err)
		return
	}
	inherited, err := link.FromFile(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()

	var answers link.Mux // of the child
	link.Handle(&answers, link.Reach, func(_ context.Context, t link.Trial) (link.Reached, error) {
		if t.Onion != "photos" {
			return link.Reached{}, fmt.Errorf("there is no onion %q", t.Onion)
		}
		return link.Reached{Calls: []link.OwnCall{{Virtual: 80, Took: 2 * time.Second}}}, nil
	})
	parent, child := link.NewEnd(conn, new(link.Mux)), link.NewEnd(inherited, &answers)
	defer parent.Close()
	for _, end := range []*link.End{parent, child} {
		go end.Run(ctx) // ends when the other end has gone away
	}

	reached, err := link.Ask(ctx, parent, link.Reach, link.Trial{Onion: "photos", Call: true})
	fmt.Println(reached.Calls[0].Took, err)
	_, err = link.Ask(ctx, parent, link.Reach, link.Trial{Onion: "music"})
	fmt.Println(err)
	// Output:
	// 2s <nil>
	// there is no onion "music"
}
