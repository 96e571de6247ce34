package org.lexvla.benchmarks;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.lexical.InvertedIndex;
import org.lexvla.lexical.InvertedIndex.Impacts;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalBatch.Hit;
import org.lexvla.lexical.LexicalVector;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Exact search of the ten best among many vectors of 1081 of 17,149 words: with an inverted index of 8-bit impacts, of
 * floats, and by multiplying with every vector. One call is the next query of many, so that none finds its lists in the
 * cache; {@code batchEightBit} is all of them at once.
 *
 * <p>The bound is that of memory: 3 bytes (16 bits for the row, 8 for its weight) for each entry of the query's words, at
 * the rate at which the machine reads. The share of the peak that is reported is this bound over the time; the reciprocal is
 * how many times the bound a query takes. The index may read less than 3 bytes: what it reads is among the facts.
 */
@Warmup(iterations = 1, time = 2)
@Measurement(iterations = 5, time = 2)
public class SearchBenchmark extends TimedBenchmark {
    private static final int K = 10;
    private static final int BYTES_PER_ENTRY = 3;

    /** Vectors that are searched; a million takes 12 GB, and three minutes to draw. */
    @Param({"100000", "1000000"})
    public int vectors;

    /** Words of a query. */
    @Param({"40", "1081"})
    public int queryWords;

    /** How the words of a query are drawn: uniform, or as the vectors' are (then about {@code queryWords} of them). */
    @Param({"uniform", "alike"})
    public String draw;

    /** Queries that are asked in turn. */
    @Param("64")
    public int queries;

    /** Words, V. */
    @Param("17149")
    public int vocabulary;

    private BufferAllocator allocator;
    private LexicalBatch batch;
    private List<LexicalVector> asked;
    private InvertedIndex eightBit;
    private InvertedIndex floats;
    private InvertedIndex.Work work;
    private int next;

    /** Draws the vectors, indexes them, and proves the hits of the first query on every vector. */
    @Setup(Level.Trial)
    public void setUp() {
        allocator = new RootAllocator();
        ZipfVectors zipf = new ZipfVectors(BenchmarkVocabulary.of(vocabulary), 1081, 1);
        ZipfVectors alike = new ZipfVectors(BenchmarkVocabulary.of(vocabulary), queryWords, 2);
        batch = zipf.batch(vectors, allocator);
        asked = IntStream.range(0, queries)
                .mapToObj(number -> switch (draw) {
                    case "uniform" -> zipf.uniform(number, queryWords);
                    case "alike" -> alike.vector(number);
                    default -> throw new IllegalArgumentException("draw is " + draw + ": uniform or alike");
                })
                .toList();
        eightBit = InvertedIndex.of(batch, Impacts.EIGHT_BIT, allocator);
        floats = vectors > 300_000 ? null : InvertedIndex.of(batch, Impacts.FLOAT32, allocator);
        work = eightBit.search(asked, K).work();
        prove(asked.get(0));
    }

    private void prove(LexicalVector query) {
        List<Hit> best = new ArrayList<>();
        for (int row = 0; row < vectors; row++) {
            float score = query.dot(batch.get(row));
            int at = best.size();
            while (at > 0 && score > best.get(at - 1).score()) {
                at--;
            }
            if (score > 0 && at < K) {
                best.add(at, new Hit(row, score));
                if (best.size() > K) {
                    best.remove(K);
                }
            }
        }
        for (InvertedIndex index : floats == null ? List.of(eightBit) : List.of(eightBit, floats)) {
            List<Hit> hits = index.search(query, K);
            if (!hits.equals(best)) {
                throw new IllegalStateException("the index finds " + hits + ", the truth is " + best);
            }
        }
    }

    /** Frees everything. */
    @TearDown
    public void tearDown() {
        eightBit.close();
        if (floats != null) {
            floats.close();
        }
        batch.close();
        allocator.close();
    }

    @Override
    public String proof() {
        return String.format(
                Locale.ROOT,
                "matches: rows and scores of the first query are those of a double sum over each of %d vectors, bit for bit",
                vectors);
    }

    @Override
    public Work work(String method) {
        long postings = work.postings() / (method.equals("batchEightBit") ? 1 : queries);
        return method.equals("everyVector")
                ? new Work(MachinePeak.READ, 8.0 * batch.active())
                : new Work(MachinePeak.READ, (double) BYTES_PER_ENTRY * postings);
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new TreeMap<>();
        facts.put("meanActive", batch.meanActive());
        facts.put("indexBytes", eightBit.bytes());
        facts.put("indexBytesPerEntry", (double) eightBit.bytes() / batch.active());
        facts.put("entriesPerQuery", work.postings() / queries);
        facts.put("boundBytesPerQuery", BYTES_PER_ENTRY * work.postings() / queries);
        facts.put("readBytesPerQuery", work.bytes() / queries);
        facts.put("computedRowsPerQuery", (double) work.rows() / queries);
        facts.put("skippedBlocksPerQuery", (double) work.skipped() / queries);
        if (floats != null) {
            facts.put("indexBytesWithFloats", floats.bytes());
        }
        return facts;
    }

    private LexicalVector next() {
        next = (next + 1) % queries;
        return asked.get(next);
    }

    /** The inverted index with 8-bit impacts. */
    @Benchmark
    @Against("everyVector")
    public List<Hit> eightBit() {
        return eightBit.search(next(), K);
    }

    /** The inverted index with floats; with many vectors there is none, and it is left out with {@code -m}. */
    @Benchmark
    @Against("everyVector")
    public List<Hit> floats() {
        if (floats == null) {
            throw new IllegalStateException(
                    "no float index of more than 300,000 vectors: choose other methods with -m");
        }
        return floats.search(next(), K);
    }

    /** All queries at once, with 8-bit impacts. */
    @Benchmark
    public List<List<Hit>> batchEightBit() {
        return eightBit.search(asked, K).hits();
    }

    /** The query times every vector. */
    @Benchmark
    public List<Hit> everyVector() {
        return batch.topK(next(), K);
    }
}
