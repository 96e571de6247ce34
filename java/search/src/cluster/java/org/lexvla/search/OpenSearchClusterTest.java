package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.codelibs.opensearch.runner.OpenSearchRunner;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.lexical.WeightedWord;
import org.opensearch.node.Node;

/**
 * Three nodes of OpenSearch in this process, an index of two shards with a copy each: ranks as the exact index, and goes on so when a
 * node stops. Run with {@code mvn -Popensearch}.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class OpenSearchClusterTest {
    private static final int ITEMS = 20_000;
    private static final int QUERIES = 50;
    private static final Vocabulary WORDS = numbered(17_234);

    @TempDir
    static Path directory;

    private static OpenSearchRunner runner;
    private static BufferAllocator allocator;
    private static LexicalBatch vectors;
    private static LexicalSearcher cluster;
    private static final List<LexicalVector> queries = new ArrayList<>();
    private static final List<List<LexicalSearcher.Hit>> before = new ArrayList<>();

    @BeforeAll
    static void start() throws IOException {
        runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.putList("discovery.seed_hosts", "127.0.0.1:9300", "127.0.0.1:9301", "127.0.0.1:9302");
            settings.putList("cluster.initial_cluster_manager_nodes", "Node 1");
        });
        runner.build(OpenSearchRunner.newConfigs()
                .numOfNode(3)
                .basePath(directory.resolve("cluster").toString())
                .clusterName("lexvla-test")
                .baseHttpPort(9200)
                .disableESLogger());
        runner.ensureGreen();
        allocator = new RootAllocator();
        Random random = new Random(20_241_210);
        List<LexicalVector> rows = new ArrayList<>();
        List<String> ids = new ArrayList<>();
        for (int item = 0; item < ITEMS; item++) {
            rows.add(zipf(random, 128));
            ids.add("item/" + item);
        }
        for (int query = 0; query < QUERIES; query++) {
            queries.add(zipf(random, 32));
        }
        vectors = LexicalBatch.of(rows, WORDS, allocator);
        List<URI> servers = IntStream.range(0, 3)
                .mapToObj(node -> runner.getNode(node).settings().get("http.port"))
                .map(port -> URI.create("http://127.0.0.1:" + port))
                .toList();
        OpenSearchIndex.create(
                directory.resolve("index"),
                new OpenSearchIndex.Target(servers, "pictures", 2, 1),
                vectors,
                ids,
                directory.resolve("model"));
        LuceneIndex.create(directory.resolve("lucene"), vectors, ids, directory.resolve("model"));
        runner.ensureGreen();
        cluster = SearchIndex.open(directory.resolve("index"), allocator);
    }

    @AfterAll
    static void stop() throws IOException {
        vectors.close();
        allocator.close();
        runner.close();
        runner.clean();
    }

    @Test
    @Order(1)
    void ranksAsTheExactOneAndAsLucene() throws IOException {
        assertThat(cluster.size()).isEqualTo(ITEMS);
        int same = 0;
        double worst = 0;
        try (LuceneIndex lucene = LuceneIndex.open(directory.resolve("lucene"))) {
            for (LexicalVector query : queries) {
                Set<String> exact = new HashSet<>();
                vectors.topK(query, 10).forEach(hit -> exact.add("item/" + hit.row()));
                List<LexicalSearcher.Hit> hits = cluster.search(query, 10);
                before.add(hits);
                List<LexicalSearcher.Hit> local = lucene.search(query, 10);
                for (int i = 0; i < 10; i++) {
                    LexicalSearcher.Hit hit = hits.get(i);
                    double score =
                            query.dot(vectors.get(Integer.parseInt(hit.id().substring(5))));
                    worst = Math.max(worst, Math.abs(hit.score() - score) / score);
                    same += exact.contains(hit.id()) ? 1 : 0;
                    assertThat(hit.score()).isCloseTo(local.get(i).score(), within(1e-6f * hit.score()));
                }
                double shares = cluster.explain(query, hits.get(0), Integer.MAX_VALUE).stream()
                        .mapToDouble(WeightedWord::weight)
                        .sum();
                assertThat(shares).isCloseTo(hits.get(0).score(), within(1e-5));
            }
        }
        System.out.printf(
                "OpenSearch against exact: top-10 overlap %.4f, largest error %.3f %%%n",
                same / (10.0 * QUERIES), 100 * worst);
        assertThat(same / (10.0 * QUERIES)).isGreaterThanOrEqualTo(0.99);
        assertThat(worst).isLessThan(Math.scalb(1.0, -9) + 1e-5);
    }

    @Test
    @Order(2)
    void moreWordsThanTheClusterTakesAreRefused() {
        int[] ids = IntStream.range(0, 1025).toArray();
        float[] weights = new float[1025];
        Arrays.fill(weights, 0.5f);
        assertThatThrownBy(() -> cluster.search(LexicalVector.of(WORDS, ids, weights), 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("query has 1025 words, more than the cluster takes");
    }

    @Test
    @Order(3)
    void aStoppedNodeLosesNothing() throws Exception {
        // The first address of the index, which is the manager of the cluster too.
        Node first = runner.getNode(0);
        first.close();
        runner.ensureYellow("pictures");
        try (LexicalSearcher again = SearchIndex.open(directory.resolve("index"), allocator)) {
            assertThat(again.size()).isEqualTo(ITEMS);
        }
        for (int query = 0; query < QUERIES; query++) {
            assertThat(cluster.search(queries.get(query), 10)).isEqualTo(before.get(query));
        }
    }

    private static LexicalVector zipf(Random random, int active) {
        BitSet chosen = new BitSet(WORDS.size());
        for (int count = 0; count < active; ) {
            int word = (int) (Math.pow(WORDS.size(), random.nextDouble()) - 1);
            count += chosen.get(word) ? 0 : 1;
            chosen.set(word);
        }
        int[] ids = chosen.stream().toArray();
        float[] weights = new float[active];
        double squares = 0;
        for (int i = 0; i < active; i++) {
            weights[i] = (float) -Math.log(1 - random.nextDouble());
            squares += weights[i] * (double) weights[i];
        }
        for (int i = 0; i < active; i++) {
            weights[i] /= (float) Math.sqrt(squares);
        }
        return LexicalVector.of(WORDS, ids, weights);
    }

    private static Vocabulary numbered(int count) {
        List<Token> tokens = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            StringBuilder word = new StringBuilder();
            for (int n = i; word.length() < 4; n /= 26) {
                word.append((char) ('a' + n % 26));
            }
            tokens.add(new Token(i, word.toString(), true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
