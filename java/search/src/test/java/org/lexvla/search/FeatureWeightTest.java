package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.lucene.document.Document;
import org.apache.lucene.document.FeatureField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LogDocMergePolicy;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.apache.lucene.store.Directory;
import org.junit.jupiter.api.Test;

/** All 65,536 encodings that 16 bits make, those that Lucene refuses included. */
class FeatureWeightTest {
    private static final int ENCODINGS = 1 << 16;
    private static final int FIRST_NORMAL = Float.floatToIntBits(Float.MIN_NORMAL) >>> FeatureWeight.CUT;
    private static final int INFINITE = Float.floatToIntBits(Float.POSITIVE_INFINITY) >>> FeatureWeight.CUT;

    @Test
    void roundingIsToNearestForWeightsAroundEveryEncoding() {
        int checked = 0;
        double largest = 0;
        double sum = 0;
        for (int encoding = 0; encoding < ENCODINGS; encoding++) {
            if (encoding < FIRST_NORMAL || encoding >= INFINITE) {
                continue;
            }
            float kept = FeatureWeight.decode(encoding);
            float next = FeatureWeight.decode(encoding + 1);
            int half = 1 << FeatureWeight.CUT - 1;
            int[] offsets = {0, 1, half - 1, half, half + 1, 2 * half - 1};
            for (int offset : offsets) {
                float weight = Float.intBitsToFloat((encoding << FeatureWeight.CUT) + offset);
                float rounded = FeatureWeight.round(weight);
                boolean up = offset > half || (offset == half && encoding % 2 == 1);
                float expected = up && encoding + 1 < INFINITE ? next : kept;
                assertThat(rounded)
                        .as("%s, encoding %d + %d", weight, encoding, offset)
                        .isEqualTo(expected);
                if (encoding + 1 < INFINITE) {
                    double error = (rounded - (double) weight) / weight;
                    largest = Math.max(largest, Math.abs(error));
                    sum += error;
                    checked++;
                }
            }
        }
        assertThat(checked).isEqualTo(6 * (INFINITE - FIRST_NORMAL - 1));
        // Half of the last of 9 significant bits; of a weight just above a power of two that is 2^-9 of it.
        assertThat(largest).isLessThanOrEqualTo(Math.scalb(1.0, -9)).isGreaterThan(Math.scalb(0.99, -9));
        assertThat(sum / checked).as("no bias").isBetween(-1e-5, 1e-5);
    }

    @Test
    void luceneKeepsEveryEncodingAsItIs() throws Exception {
        try (Directory files = new ByteBuffersDirectory()) {
            IndexWriterConfig config = new IndexWriterConfig().setMergePolicy(new LogDocMergePolicy());
            try (IndexWriter writer = new IndexWriter(files, config)) {
                for (int encoding = FIRST_NORMAL; encoding < INFINITE; encoding++) {
                    Document document = new Document();
                    document.add(new FeatureField("words", "0", FeatureWeight.decode(encoding)));
                    writer.addDocument(document);
                }
                writer.forceMerge(1);
            }
            try (DirectoryReader reader = DirectoryReader.open(files)) {
                int documents = INFINITE - FIRST_NORMAL;
                assertThat(reader.numDocs()).isEqualTo(documents).isGreaterThan(65_000);
                ScoreDoc[] hits = new IndexSearcher(reader)
                        .search(FeatureField.newLinearQuery("words", "0", 1), documents)
                        .scoreDocs;
                assertThat(hits).hasSize(documents);
                for (int i = 0; i < documents; i++) {
                    // The largest first: documents were added by rising weight.
                    assertThat(hits[i].doc).isEqualTo(documents - 1 - i);
                    assertThat(hits[i].score).isEqualTo(FeatureWeight.decode(INFINITE - 1 - i));
                }
            }
        }
    }
}
