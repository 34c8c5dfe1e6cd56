package scale

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// complaints are all that are known about cluster-autoscaler, by the number under
// which they were made, and what shows that they do not hold here: stories in
// testdata, and tests, of this package or of the one named before a slash.
var complaints = []struct{ number, about, shown string }{
	// Slow loops, group after group.
	{"KA 3835", "hours in one loop", "complaint_01_many_groups TestTenThousandShapesAreBounded"},
	{"KA 5082", "estimates of groups one after the other", "complaint_01_many_groups"},
	{"KA 5769", "30 app groups over 3 zones", "complaint_01_many_groups"},
	{"openshift cluster-autoscaler-operator 277", "a shorter interval makes it worse", "TestRunLooksWhenWoken"},
	// One decision per loop.
	{"KA 9606", "one group grows in a loop", "complaint_02_one_decision"},
	{"KA 5731", "groups wait for one another", "complaint_02_one_decision"},
	{"gardener 268", "growing in parallel seldom helps", "complaint_02_one_decision TestSixtyPodsMakeOneResize"},
	// Hard topology spread.
	{"KA 9150", "one node a loop", "complaint_03_spread"},
	{"KA 6270", "one node a loop", "complaint_03_spread"},
	{"KA 4848", "the wrong zone grows", "complaint_03_spread TestPlanIsTheSchedulersOwn"},
	{"KA 5489", "skew over groups of a zone each", "complaint_03_spread zone_spread"},
	{"AKS 2849", "the template is of the first zone", "complaint_12_volume_zone TestPlanIsTheSchedulersOwn"},
	// One bad group stops everything.
	{"KA 6128", "sizes that cannot be fixed stop the loop", "complaint_04_bad_group"},
	{"KA 7928", "sizes that cannot be fixed stop the loop", "complaint_04_bad_group"},
	{"KA 5959", "an error of one group", "complaint_04_bad_group TestOneFailureStopsNothingElse"},
	{"KA 5000", "an error of one group", "complaint_04_bad_group TestOneFailureStopsNothingElse"},
	{"gardener 396", "nodes that never come count as coming", "never_registered TestAMachineThatNeverRegisteredIsDeleted"},
	// A wrong template from zero.
	{"KA 2165", "DaemonSets are forgotten", "complaint_05_from_zero"},
	{"KA 2927", "allocatable is not what the kubelet leaves", "complaint_05_from_zero ../internal/world/TestLearnsTheLeastOfAll"},
	{"KA 4893", "endless growth for a pod that never fits", "complaint_05_from_zero fuse_blows"},
	{"KA 7841", "requests of DaemonSets are changed at admission", "daemons_already_there fuse_says_why"},
	{"KA 7799", "devices of a new node", "devices_packed devices_none devices_not_shown_yet"},
	{"gardener 767", "a DaemonSet's pods are larger than its template says", "fuse_blows"},
	// A random real node as template.
	{"KA 1886", "whatever node is listed first", "complaint_06_random_template TestOrderDoesNotMatter"},
	{"KA 2057", "whatever node is listed first", "complaint_06_random_template"},
	{"KA 3217", "labels of one node of many", "complaint_06_random_template ../internal/world/TestLearnsTheLeastOfAll"},
	{"KA 3856", "mixed groups", "complaint_06_random_template"},
	{"KA 9568", "mixed groups", "complaint_06_random_template"},
	{"KA 4851", "a node that is being changed is the template", "complaint_06_random_template"},
	// Cost.
	{"KA 389", "nothing is replaced by what costs less", "complaint_07_cost cheaper_first cheaper_then"},
	{"KA 82", "no view of cost", "complaint_07_cost choice_whole_plan"},
	// Slow scale-down.
	{"KA 5079", "empty nodes wait for a drain", "complaint_08_slow_down"},
	{"KA 5117", "one drain at a time", "drains_at_one_time"},
	{"KA 8258", "nodes that could go are not looked at", "complaint_08_slow_down TestRemovalsReplay"},
	{"KA 5870", "one drain at a time", "drains_at_one_time"},
	{"KA 7873", "timers are lost at a restart", "complaint_08_slow_down TestIdleNodeLeavesAndComesBack"},
	// Oscillation.
	{"KA 581", "up and down again", "complaint_09_oscillation TestPlansSettle"},
	{"KA 1471", "a new node goes before its pods are there", "complaint_09_oscillation"},
	{"KA 7382", "a new node goes before its pods are there", "complaint_09_oscillation TestNoGrowthIsUndone"},
	// Fights with upgrades.
	{"EKS 916", "upgrades fail for as long as nodes are removed", "complaint_10_upgrade cycling"},
	{"CAPI 12762", "the wrong node is deleted", "complaint_10_upgrade"},
	{"KA 8494", "the wrong node is deleted", "complaint_10_upgrade"},
	{"AKS 1773", "a node that others cordon comes and goes", "complaint_10_upgrade TestPlansSettle"},
	{"KA 3949", "taints are left behind", "TestIdleNodeLeavesAndComesBack ../cycle/TestAbortGivesBack"},
	{"zalando 260", "pods move to nodes that go next", "complaint_10_upgrade choosy_movers"},
	// The rest.
	{"AKS 5488", "failed nodes at the minimum", "complaint_11_failed_at_min"},
	{"KA 7295", "a volume's zone", "complaint_12_volume_zone"},
}

// TestEveryComplaintIsShown: each number names stories and tests that are there.
func TestEveryComplaintIsShown(t *testing.T) {
	known := map[string]bool{}
	for _, c := range complaints {
		if known[c.number] {
			t.Errorf("%s is told twice", c.number)
		}
		known[c.number] = true
		shown := strings.Fields(c.shown)
		if len(shown) == 0 {
			t.Errorf("nothing shows %s: %s", c.number, c.about)
		}
		for _, name := range shown {
			if !there(t, name) {
				t.Errorf("%s is shown by %s, which is not there", c.number, name)
			}
		}
	}
	// As many as there are numbers in the section of the sheet.
	if len(complaints) != 47 {
		t.Errorf("%d complaints, 47 are known", len(complaints))
	}
}

// there is whether a story or test of the name exists.
func there(t *testing.T, name string) bool {
	t.Helper()
	dir, test := filepath.Split(name)
	if !strings.HasPrefix(test, "Test") {
		_, err := os.Stat(filepath.Join("testdata", name+".txt"))
		return err == nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^func ` + test + `\w*\(`).Match(text) {
			return true
		}
	}
	return false
}
